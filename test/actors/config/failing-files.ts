/**
 * node:fs, of which each call that changes a file can be the last: use it in `vi.mock("node:fs", failingFiles)`.
 *
 * `crash`: this call and all after it do nothing and throw, as if the process had ended there; a write is torn.
 * `fail`: this call alone throws.
 */
import type * as nodeFiles from "node:fs"

export interface Faults {
  /** From 1; undefined: none. */
  at: number | undefined
  how: "crash" | "fail"
  /** How many calls there have been. */
  calls: number
}

export const faults: Faults = { at: undefined, how: "crash", calls: 0 }

const changing = [
  "writeSync",
  "fsyncSync",
  "renameSync",
  "rmSync",
  "rmdirSync",
  "mkdirSync",
  "fchmodSync",
  "fchownSync",
  "ftruncateSync"
] as const

type Call = (...given: ReadonlyArray<never>) => unknown

export const failingFiles = async (original: () => Promise<typeof nodeFiles>): Promise<object> => {
  const files = await original()
  const guarded =
    (call: Call, isChange: (given: ReadonlyArray<unknown>) => boolean, torn?: Call): Call =>
    (...given) => {
      if (faults.at === undefined || !isChange(given)) return call(...given)
      faults.calls += 1
      const isHit = faults.calls === faults.at || (faults.how === "crash" && faults.calls > faults.at)
      if (!isHit) return call(...given)
      if (faults.calls === faults.at && faults.how === "crash") torn?.(...given)
      throw Object.assign(new Error("no more"), { code: "EIO" })
    }
  const half = ((file: number, bytes: Buffer, from: number) =>
    files.writeSync(file, bytes, from, Math.floor((bytes.length - from) / 2))) as Call
  const opensForChange = ([, flags = 0]: ReadonlyArray<unknown>): boolean =>
    typeof flags === "number"
      ? (flags & (files.constants.O_WRONLY | files.constants.O_RDWR | files.constants.O_CREAT)) !== 0
      : flags !== "r"
  const replaced = Object.fromEntries(
    changing.map((name) => [name, guarded(files[name] as Call, () => true, name === "writeSync" ? half : undefined)])
  )
  const all = { ...files, ...replaced, openSync: guarded(files.openSync as Call, opensForChange) }
  return { ...all, default: all }
}
