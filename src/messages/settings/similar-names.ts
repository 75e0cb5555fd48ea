/** The names closest to a misspelt one: of settings, and of the words of a command line. */
import { settingsTable } from "./settings-table.ts"

/** At most three. */
export const similarKeys = (given: string): ReadonlyArray<string> =>
  similarNames(
    given,
    settingsTable.map(({ key }) => key),
    (key) => Math.max(2, Math.floor(key.length / 5)),
    (key) => key.replaceAll("_", ".")
  ).slice(0, 3)

/** Those with the smallest edit distance, if it is within the limit for that name. */
export const similarNames = (
  given: string,
  known: ReadonlyArray<string>,
  limit: (name: string) => number,
  spelled: (name: string) => string = (name) => name
): ReadonlyArray<string> => {
  const near = known
    .map((name) => ({ name, distance: editDistance(spelled(given), spelled(name)) }))
    .filter(({ name, distance }) => distance <= limit(name))
  const least = Math.min(...near.map(({ distance }) => distance))
  return near.flatMap(({ name, distance }) => (distance === least ? [name] : []))
}

/** Levenshtein distance: insertions, deletions and replacements from `a` to `b`. */
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
