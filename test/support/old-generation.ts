/**
 * What a piece of work leaves in V8's old generation: garbage that only a full collection frees, because something old refers
 * to it, as an old table does to its successors (src/runtime/primitives/short-lived.ts).
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { surelyGrownBy } from "./memory-growth.ts"

/**
 * Bytes kept for each of `count` pieces. `work` completes when it has done so many of them and none is in flight. What V8
 * keeps once, such as code and feedback, is no more than a few bytes for each of some thousand.
 */
export const keptForEach = (count: number, work: (count: number) => Promise<void>): Promise<number> => {
  const { collectAll, collectYoung } = collector()
  const settled = async (pieces: number) => {
    await work(pieces)
    // What survives both is old.
    collectYoung()
    collectYoung()
    return oldBytes()
  }
  return surelyGrownBy(async () => {
    collectAll()
    // V8 makes again what it discards in a full collection.
    const before = await settled(Math.ceil(count / 4))
    return ((await settled(count)) - before) / count
  })
}

const collector = () => {
  setFlagsFromString("--expose-gc")
  const gc: (options?: { readonly type: "minor" }) => void = runInNewContext("gc")
  // Not `{ type: "major" }`: Node 20 takes every object for a minor collection.
  return { collectAll: () => gc(), collectYoung: () => gc({ type: "minor" }) }
}

const oldBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name }) => !isLeftOut.test(space_name))
    .reduce((sum, { space_used_size }) => sum + space_used_size, 0)

/** The young generation, and machine code. */
const isLeftOut = /^(new|code|read_only)_/
