/**
 * The parent's side of a token host: its calls, its shutdown and its time limits. The process is child-process.ts.
 *
 * Each call has its own time limit, whether or not the asker still waits: past it the host is killed,
 * since nothing else ends a native call that hangs. Time during which the host was stopped does not count. Requests are
 * pipelined; responses come in any order.
 */
import type { ChildProcess } from "node:child_process"
import { Socket } from "node:net"
import { Deferred, Effect, type Scope } from "effect"
import { HostNotStarted, ModuleNotLoaded } from "../../../messages/token-refusals.ts"
import { busyWhile } from "../../../platform/process/busy-checks.ts"
import { codeOf } from "../../../platform/process/error-code.ts"
import { type TimeLimits, timeLimits } from "../../../runtime/primitives/deadlines.ts"
import { ShortLivedMap } from "../../../runtime/primitives/short-lived.ts"
import type { LibraryFacts, TracedCall } from "../pkcs11/values.ts"
import { type AdaptiveLimits, adaptiveLimits, readCalls } from "./adaptive-limits.ts"
import {
  type HostCall,
  type HostProcess,
  type HostSettings,
  isStopped,
  killHost,
  type ModuleOutput,
  moduleOutput,
  spawnProcess
} from "./child-process.ts"
import { CallRefused, CallTimedOut, HostDied, HostEnded, type HostFault, type StartFault } from "./faults.ts"
import { frameReader, frameWriter } from "./frames.ts"
import { moduleDevices } from "./module-files.ts"
import type { HostRefusal, HostReply, HostRequestName, HostRequests } from "./protocol.ts"

export interface TokenHost {
  readonly library: LibraryFacts
  /** Accepts calls, and runs none. */
  readonly isIdle: () => boolean
  readonly call: <Name extends HostRequestName>(
    name: Name,
    asked: HostRequests[Name]["asked"],
    limitMs: number
  ) => Effect.Effect<HostRequests[Name]["answer"], HostFault>
}

/** Starts a host with the module loaded. When the scope closes, it completes the calls with waiting callers, and exits. */
export const startHost = (
  settings: HostSettings,
  limits: AdaptiveLimits = adaptiveLimits()
): Effect.Effect<TokenHost, StartFault, Scope.Scope> =>
  Effect.gen(function* () {
    // Before the host, as its calls end with it.
    const times = yield* timeLimits
    const host = yield* Effect.acquireRelease(spawnHost(settings), endHost)
    yield* busyWhile(() => host.pending.size > 0)
    const call = caller(host, settings, times)
    const { modulePath: path, environment, initializeMs } = settings
    const library = yield* call("load", { path, devices: moduleDevices(path, environment) }, initializeMs)
    return {
      library,
      isIdle: () => host.pending.size === 0 && !host.isEnding && host.killedFor === undefined && host.end === undefined,
      call: (name, asked, limitMs) =>
        Effect.catchTags(
          readCalls.has(name)
            ? limits({ library, name, asked, leastMs: limitMs }, (learnedMs) => call(name, asked, learnedMs))
            : call(name, asked, limitMs),
          // Only `load` is refused with these.
          { ModuleNotLoaded: Effect.die, HostNotStarted: Effect.die }
        )
    }
  })

interface Pending extends HostCall {
  readonly name: HostRequestName
  /** Only the first outcome counts. */
  readonly complete: (outcome: Effect.Effect<unknown, StartFault>) => void
}

type Process = HostProcess<Pending>

const spawnHost = (settings: HostSettings): Effect.Effect<Process, HostNotStarted> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(watched(spawnProcess(settings), settings.onCall))
    } catch (error) {
      return Effect.fail(notStarted(codeOf(error)))
    }
  })

const watched = (child: ChildProcess, onCall: HostSettings["onCall"]): Process => {
  // Without a listener an error would end this process.
  child.on("error", (error) => ended(undefined, codeOf(error)))
  const pipe = child.stdio?.[3]
  const host: Process = {
    child,
    pipe: pipe instanceof Socket ? pipe : new Socket(),
    send: frameWriter((bytes) => host.pipe.write(bytes)),
    output: moduleOutput(),
    pending: new ShortLivedMap(),
    exited: Deferred.makeUnsafe(),
    // The process has exited: every waiting call fails.
    failPending: () => {
      for (const { name, complete } of host.pending.values()) complete(died(host, name))
      host.pending.clear()
      notifyIdle(host)
      Deferred.doneUnsafe(host.exited, Effect.void)
    },
    lastCall: 0,
    looking: undefined,
    isEnding: false,
    killedFor: undefined,
    onIdle: undefined,
    end: undefined
  }
  const ended = (signal: string | undefined, spawnError: string | undefined) => {
    host.end ??= { signal, spawnError }
    // Output of a crashing module is still in the pipe: read it first.
    setImmediate(host.failPending)
  }
  child.stdout?.on("data", host.output.add)
  child.stderr?.on("data", host.output.add)
  child.on("exit", (_code, signal) => ended(signal ?? undefined, undefined))
  listen(host, onCall)
  return host
}

const notStarted = (reason: string) => new HostNotStarted({ reason, program: process.execPath })

const listen = (host: Process, onCall: HostSettings["onCall"]): void => {
  const read = frameReader()
  const lost = () => {
    if (!host.isEnding) killHost(host, "host")
  }
  host.pipe.on("data", (chunk) => {
    try {
      for (const value of read(chunk) as ReadonlyArray<HostReply | { readonly traced: TracedCall }>)
        if ("traced" in value) onCall?.(value.traced)
        else complete(host, value)
    } catch {
      // A host that sends invalid frames is broken; its callers fail when it exits.
      lost()
    }
  })
  // A module may close every descriptor of its process; a host that cannot respond is useless.
  host.pipe.on("close", lost)
  host.pipe.on("error", lost)
}

const complete = (host: Process, reply: HostReply): void => {
  const pending = host.pending.get(reply.call)
  if (pending === undefined) return
  host.pending.delete(reply.call)
  if ("answer" in reply) pending.complete(Effect.succeed(reply.answer))
  // Output of the module before its refusal may still be in its pipe: read it first.
  else setImmediate(() => pending.complete(refused(reply.refusal, host.output)))
  notifyIdle(host)
}

const refused = (refusal: HostRefusal, output: ModuleOutput): Effect.Effect<never, CallRefused | ModuleNotLoaded> => {
  switch (refusal.kind) {
    case "code":
      return Effect.fail(new CallRefused({ call: refusal.call, code: refusal.code, detail: output.last() }))
    case "load":
      return Effect.fail(new ModuleNotLoaded({ path: "", reason: refusal.reason, detail: refusal.detail }))
    case "defect":
      return Effect.die(new Error(`token host: ${refusal.detail}`))
  }
}

const died = (host: Process, call: HostRequestName): Effect.Effect<never, HostDied | HostNotStarted> => {
  const { signal, spawnError } = host.end ?? {}
  return spawnError === undefined
    ? Effect.fail(new HostDied({ call, signal, detail: host.output.last(), forAnother: host.killedFor === "call" }))
    : Effect.fail(notStarted(spawnError))
}

const caller =
  (host: Process, settings: HostSettings, times: TimeLimits) =>
  <Name extends HostRequestName>(
    name: Name,
    asked: HostRequests[Name]["asked"],
    limitMs: number
  ): Effect.Effect<HostRequests[Name]["answer"], StartFault> =>
    Effect.callback<unknown, StartFault>((resume) => {
      if (host.isEnding) return resume(Effect.fail(new HostEnded({ call: name })))
      if (host.end) return resume(died(host, name))
      host.lastCall += 1
      const call = host.lastCall
      const tooLate = () => {
        if (!host.pending.delete(call)) return
        resume(Effect.fail(new CallTimedOut({ call: name, afterMs: limitMs, detail: host.output.last() })))
        killHost(host, "call")
        notifyIdle(host)
      }
      // If this process was suspended, the response is in the pipe, and is read before this.
      const limit = times.start(limitMs, () => void setImmediate(tooLate))
      const pending: Pending = {
        name,
        isAwaited: true,
        complete: (outcome) => {
          limit.cancel()
          resume(outcome)
        }
      }
      host.pending.set(call, pending)
      host.looking ??= times.start(lookEveryMs, () => look(host, times, false))
      for (const [field, value] of Object.entries(asked))
        if (/pin$/i.test(field) && typeof value === "string") host.output.hide(value)
      host.send({ call, name, asked })
      return Effect.sync(() => {
        pending.isAwaited = false
        notifyIdle(host)
      })
    }).pipe(
      Effect.catchTag("ModuleNotLoaded", ({ reason, detail }) =>
        Effect.fail(new ModuleNotLoaded({ path: settings.modulePath, reason, detail, user: settings.user?.name }))
      )
      // The host is this program in this version: the response has the type of its request.
    ) as Effect.Effect<HostRequests[Name]["answer"], StartFault>

/**
 * Ends the host once the pending calls with waiting callers are done. Each of them has its own limit.
 *
 * A module that is not finalised leaves its reader to be reset during the next program's work, and a session on a TPM
 * without resource manager.
 */
export const endHost = (host: HostProcess): Effect.Effect<void> =>
  Effect.gen(function* () {
    host.isEnding = true
    yield* Effect.callback<void>((resume) => {
      host.onIdle = () => resume(Effect.void)
      notifyIdle(host)
    })
    host.looking?.cancel()
    // Closing the pipe tells the host to log out and to finalise its module.
    if (host.end === undefined) host.pipe.end()
    yield* Deferred.await(host.exited).pipe(
      Effect.timeoutOrElse({
        duration: finalizeMs,
        orElse: () => {
          killHost(host, "host")
          return Deferred.await(host.exited)
        }
      })
    )
  })

/** After each call that ended or was given up. */
const notifyIdle = (host: HostProcess): void => {
  if (host.onIdle === undefined) return
  for (const { isAwaited } of host.pending.values()) if (isAwaited) return
  host.onIdle()
}

/** Time for a module to log out and to finalise. */
const finalizeMs = 2000

/** A host that two checks find stopped is killed: it does not respond, and its successor starts in a moment. */
const look = (host: Process, times: TimeLimits, wasStopped: boolean): void => {
  const isNow = isStopped(host)
  if (isNow && wasStopped) killHost(host, "host")
  const again = () => look(host, times, isNow)
  host.looking = host.pending.size === 0 ? undefined : times.start(lookEveryMs, again)
}

const lookEveryMs = 2000
