/** Settings whose names are close to a misspelt one. */
import { settingsTable } from "./settings-table.ts"

/** Those that differ least, at most three. */
export const similarKeys = (given: string): ReadonlyArray<string> => {
  const typed = given.replaceAll("_", ".")
  const close = settingsTable
    .map(({ key }) => ({ key, distance: editDistance(typed, key.replaceAll("_", ".")) }))
    .filter(({ key, distance }) => distance <= Math.max(2, Math.floor(key.length / 5)))
  const least = Math.min(...close.map(({ distance }) => distance))
  return close.flatMap(({ key, distance }) => (distance === least ? [key] : [])).slice(0, 3)
}

/** Levenshtein's: insertions, deletions and replacements from `a` to `b`. */
const editDistance = (a: string, b: string): number => {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    above = current
  }
  return above[b.length] ?? 0
}
