/**
 * Releases memory while a process is idle: V8 keeps the pages of a start or a peak load until its heap grows again, and
 * malloc keeps its holes: together half of an idle process.
 *
 * Checked every 10 s. Idle: no more loop events than keep-alives cause, and no pending work.
 * Then, if the private memory has grown since the last time, one collection at this look and at the next two, each of which
 * blocks for some tens of milliseconds. Private memory is not shared with other processes; resident memory is unsuitable, as the collection
 * itself maps pages of Node's file again.
 */
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { collectAll, dropProgramText, trimMalloc } from "../native/unix-addon.ts"

interface IdleMemoryOptions {
  /** Whether work is pending that causes no events. */
  readonly isBusy?: () => boolean
  /** Pages of Node's code are released too. */
  readonly dropsCode?: boolean
  /** Measurements and actions; of the process itself unless a test passes others. */
  readonly process?: IdleProcess
}

export interface IdleProcess {
  /** Events that the event loop has handled since its start. */
  readonly events: () => number
  /** Private memory in bytes; undefined: the kernel does not report it. */
  readonly ownBytes: () => number | undefined
  readonly giveBack: () => void
}

/** Does not keep the process alive. Returns how to stop it. */
export const giveMemoryBackWhenIdle = ({
  isBusy = () => false,
  dropsCode = false,
  process = thisProcess(dropsCode)
}: IdleMemoryOptions = {}): (() => void) => {
  const check = idleCheck(process, isBusy)
  const timer = setInterval(check, 10_000)
  timer.unref()
  return () => clearInterval(timer)
}

/** One check, called every `intervalMs`; returns whether memory was released. */
export const idleCheck = (process: IdleProcess, isBusy: () => boolean): (() => boolean) => {
  let eventsBefore = process.events()
  let ownAfter = 0
  let following = 0
  return () => {
    const events = process.events()
    const handled = events - eventsBefore
    eventsBefore = events
    if (handled > maxEventsWhenIdle || isBusy()) return false
    const own = process.ownBytes()
    if (own === undefined || (following === 0 && own < ownAfter + worthwhileBytes)) return false
    process.giveBack()
    ownAfter = process.ownBytes() ?? own
    // V8 frees code only after several collections without use.
    following = own - ownAfter >= worthwhileBytes ? followingCollections : Math.max(0, following - 1)
    return true
  }
}

/** Keep-alives of two connections, a watchdog, this timer: a few events each. A message is about four. */
const maxEventsWhenIdle = 20

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
      // V8 keeps it of functions that it has optimised since, and of those that run no more: 0.6 MiB of a service after a load.
      setFlagsFromString("--flush-baseline-code")
      if (!collectAll()) {
        setFlagsFromString("--expose-gc")
        runInNewContext("gc")()
      }
      trimMalloc()
      if (dropsCode) dropProgramText()
    })
})

const withAddon = (work: () => void): void => {
  try {
    work()
  } catch {
    // Without the add-on nothing is released; whatever needs the add-on reports it.
  }
}

/** After one that freed much. */
const followingCollections = 2

/** The smallest page size of Linux: larger ones are only underestimated. */
const pageBytes = 4096
