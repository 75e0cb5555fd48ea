/**
 * Gives memory back while a process is idle: V8 keeps what a start or a load needed until its heap grows again, and malloc
 * keeps the holes, which is half of an idle process.
 *
 * Looked at every 10 s. Idle: no more events of the loop than keep-alives make, and nothing that waits for an answer.
 * Then, if the process's own memory has grown since the last time, one collection, which blocks for some tens of
 * milliseconds. Own memory is what it shares with no other process; resident memory would not do, as the collection
 * itself brings pages of Node's file back.
 */
import { readFileSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { collectAll, dropProgramText, trimMalloc } from "../native/unix-addon.ts"

interface IdleMemoryOptions {
  /** Whether work is pending that no event shows. */
  readonly isBusy?: () => boolean
  /** The pages of Node's code go, too. */
  readonly dropsCode?: boolean
  /** What is measured and done; the process's own unless a test gives others. */
  readonly process?: IdleProcess
}

export interface IdleProcess {
  /** Events that the event loop has handled since its start. */
  readonly events: () => number
  /** Private memory in bytes; undefined: the kernel does not say. */
  readonly ownBytes: () => number | undefined
  readonly giveBack: () => void
}

/** Never keeps the process alive. Answers how to end it. */
export const giveMemoryBackWhenIdle = ({
  isBusy = () => false,
  dropsCode = false,
  process = thisProcess(dropsCode)
}: IdleMemoryOptions = {}): (() => void) => {
  const check = idleCheck(process, isBusy)
  const timer = setInterval(check, intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** One look, to be called every `intervalMs`: answers whether memory was given back. */
export const idleCheck = (process: IdleProcess, isBusy: () => boolean): (() => boolean) => {
  let eventsBefore = process.events()
  let ownAfter = 0
  return () => {
    const events = process.events()
    const handled = events - eventsBefore
    eventsBefore = events
    if (handled > mostEventsWhenIdle || isBusy()) return false
    const own = process.ownBytes()
    if (own === undefined || own < ownAfter + worthwhileBytes) return false
    process.giveBack()
    const after = process.ownBytes() ?? own
    // A collection that freed much is repeated: V8 lets code go only when several collections have found it unused.
    ownAfter = own - after < worthwhileBytes ? after : 0
    return true
  }
}

export const intervalMs = 10_000

/** Keep-alives of two connections, a watchdog, this timer: a few events each. A message is about four. */
const mostEventsWhenIdle = 20

/** More than V8's new space grows and shrinks by. */
const worthwhileBytes = 2 * 1024 * 1024

const thisProcess = (dropsCode: boolean): IdleProcess => ({
  events: () => performance.nodeTiming.uvMetricsInfo.events,
  ownBytes: () => {
    try {
      // Pages: size, resident, shared, ...
      const [, resident = 0, shared = 0] = readFileSync("/proc/self/statm", "latin1").split(" ").map(Number)
      return (resident - shared) * pageBytes
    } catch {
      return undefined
    }
  },
  giveBack: () =>
    withAddon(() => {
      if (!collectAll()) collectWithFlag()
      trimMalloc()
      if (dropsCode) dropProgramText()
    })
})

const withAddon = (work: () => void): void => {
  try {
    work()
  } catch {
    // Without the add-on memory stays as Node leaves it; whatever needs the add-on says so.
  }
}

/** As small as any that Linux has, so that larger ones are only taken for less. */
const pageBytes = 4096

const collectWithFlag = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
}
