/**
 * The parent's side of a token host: starts the process, asks it, ends it.
 *
 * A call has a time limit of its own, whoever asked and whether or not they still wait: past it the host is killed,
 * since nothing else ends a native call that hangs. A host that was stopped does not get that time. Requests are
 * pipelined; answers come in any order.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { Socket } from "node:net"
import { join } from "node:path"
import { Data, Deferred, Effect, type Scope } from "effect"
import { HostNotStarted, ModuleNotLoaded } from "../../../messages/token-refusals.ts"
import { nodeOptions } from "../../../platform/process/node-options.ts"
import { printUser } from "../../../platform/users/become-user.ts"
import { ShortLivedMap } from "../../../runtime/primitives/short-lived.ts"
import { type TimeLimits, timeLimits } from "../../../runtime/primitives/time-limits.ts"
import { endHost, type HostCall, type HostProcess, killHost, tellIdle } from "./child-process.ts"
import { type HostUser, hostEnvironment } from "./environment.ts"
import { frameReader, frameWriter } from "./frames.ts"
import { type ModuleWords, moduleWords } from "./module-output.ts"
import type { HostRefusal, HostReply, HostRequestName, HostRequests, LibraryFacts, TracedCall } from "./protocol.ts"

/** A PKCS#11 function answered with a code. */
export class CallRefused extends Data.TaggedError("CallRefused")<{
  /** `C_Sign` and the like. */
  readonly call: string
  readonly code: number
  /** What the module printed. */
  readonly detail: string
}> {}

/** The call took longer than it may; the host was killed. */
export class CallTimedOut extends Data.TaggedError("CallTimedOut")<{
  readonly call: HostRequestName
  readonly afterMs: number
  /** What the module printed. */
  readonly detail: string
}> {}

/** The host ended before it answered. */
export class HostDied extends Data.TaggedError("HostDied")<{
  readonly call: HostRequestName
  readonly signal: string | undefined
  readonly detail: string
  /** It was killed because another call hung; this one may have been fine. */
  readonly forAnother?: boolean
}> {}

/** The service had ended the host before the call was made: nothing was done. */
export class HostEnded extends Data.TaggedError("HostEnded")<{ readonly call: HostRequestName }> {}

export type HostFault = CallRefused | CallTimedOut | HostDied | HostEnded

/** Why there is no host. */
export type StartFault = ModuleNotLoaded | HostNotStarted | HostFault

export const isHostFault = (failure: { readonly _tag: string }): failure is HostFault =>
  failure._tag === "CallRefused" ||
  failure._tag === "CallTimedOut" ||
  failure._tag === "HostDied" ||
  failure._tag === "HostEnded"

export interface TokenHost {
  readonly library: LibraryFacts
  /** Takes calls, and has none under way. */
  readonly isIdle: () => boolean
  readonly call: <Name extends HostRequestName>(
    name: Name,
    asked: HostRequests[Name]["asked"],
    limitMs: number
  ) => Effect.Effect<HostRequests[Name]["answer"], HostFault>
}

export interface HostSettings {
  readonly modulePath: string
  /** For C_Initialize with all the module does to be loaded. */
  readonly initializeMs: number
  /** The host gets what is allowed of it. */
  readonly environment: NodeJS.ProcessEnv
  /** Undefined: the host is the same user as we. */
  readonly user?: HostUser | undefined
  /** Told of each call of the module. */
  readonly onCall?: ((call: TracedCall) => void) | undefined
}

/** Starts a host with the module loaded. When the scope closes, it finishes the calls that are waited for, and ends. */
export const startHost = (settings: HostSettings): Effect.Effect<TokenHost, StartFault, Scope.Scope> =>
  Effect.gen(function* () {
    // Before the host, as its calls end with it.
    const times = yield* timeLimits
    const host = yield* Effect.acquireRelease(spawnHost(settings), endHost)
    const call = caller(host, settings, times)
    const library = yield* call("load", { path: settings.modulePath }, settings.initializeMs)
    return {
      library,
      isIdle: () => isIdle(host),
      call: (name, asked, limitMs) => neverLoads(call(name, asked, limitMs))
    }
  })

const isIdle = (host: Process): boolean =>
  host.pending.size === 0 && !host.isEnding && host.killedFor === undefined && host.end === undefined

interface Pending extends HostCall {
  readonly name: HostRequestName
  /** Only the first outcome counts. */
  readonly settle: (outcome: Effect.Effect<unknown, StartFault>) => void
}

type Process = HostProcess<Pending>

const spawnHost = (settings: HostSettings): Effect.Effect<Process, HostNotStarted> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(watched(spawnProcess(settings), settings.onCall))
    } catch (error) {
      return Effect.fail(notStarted(spawnErrorOf(error)))
    }
  })

/** Throws what `spawn` throws: ENOMEM. EMFILE comes as an event, and the process then has no pipes. */
const spawnProcess = ({ environment, user, onCall }: HostSettings): ChildProcess =>
  spawn(
    process.execPath,
    [
      ...nodeOptions(),
      hostEntry(),
      String(process.pid),
      user === undefined ? "" : printUser(user),
      ...(onCall === undefined ? [] : ["trace"])
    ],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: hostEnvironment(environment, user),
      cwd: "/"
    }
  )

const watched = (child: ChildProcess, onCall: HostSettings["onCall"]): Process => {
  // Stays without a listener otherwise, which ends this process.
  child.on("error", (error) => ended(undefined, spawnErrorOf(error)))
  const pipe = child.stdio?.[3]
  const host: Process = {
    child,
    pipe: pipe instanceof Socket ? pipe : new Socket(),
    send: frameWriter((bytes) => host.pipe.write(bytes)),
    words: moduleWords(),
    pending: new ShortLivedMap(),
    exited: Deferred.makeUnsafe(),
    bury: () => buryHost(host),
    lastCall: 0,
    looking: undefined,
    isEnding: false,
    killedFor: undefined,
    onIdle: undefined,
    end: undefined
  }
  const ended = (signal: string | undefined, spawnError: string | undefined) => {
    host.end ??= { signal, spawnError }
    // What a crashing module printed is still in the pipe: let it be read first.
    setImmediate(host.bury)
  }
  child.stdout?.on("data", host.words.add)
  child.stderr?.on("data", host.words.add)
  child.on("exit", (_code, signal) => ended(signal ?? undefined, undefined))
  listen(host, onCall)
  return host
}

const notStarted = (reason: string) => new HostNotStarted({ reason, program: process.execPath })

const spawnErrorOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error)

interface Traced {
  readonly traced: TracedCall
}

const listen = (host: Process, onCall: HostSettings["onCall"]): void => {
  const read = frameReader()
  const lost = () => {
    if (!host.isEnding) killHost(host, "host")
  }
  host.pipe.on("data", (chunk) => {
    try {
      for (const value of read(chunk) as ReadonlyArray<HostReply | Traced>)
        if ("traced" in value) onCall?.(value.traced)
        else settle(host, value)
    } catch {
      // A host that frames nonsense is no host any more; those who wait learn it from its end.
      lost()
    }
  })
  // A module may close every descriptor of its process; a host that cannot answer is of no use.
  host.pipe.on("close", lost)
  host.pipe.on("error", lost)
}

const settle = (host: Process, reply: HostReply): void => {
  const pending = host.pending.get(reply.call)
  if (pending === undefined) return
  host.pending.delete(reply.call)
  pending.settle("answer" in reply ? Effect.succeed(reply.answer) : refused(reply.refusal, host.words))
  tellIdle(host)
}

const refused = (refusal: HostRefusal, words: ModuleWords): Effect.Effect<never, CallRefused | ModuleNotLoaded> => {
  switch (refusal.kind) {
    case "code":
      return Effect.fail(new CallRefused({ call: refusal.call, code: refusal.code, detail: words.last() }))
    case "load":
      return Effect.fail(new ModuleNotLoaded({ path: "", reason: refusal.reason, detail: refusal.detail }))
    case "defect":
      return Effect.die(new Error(`token host: ${refusal.detail}`))
  }
}

/** The process is gone: everyone who waits is told. */
const buryHost = (host: Process): void => {
  for (const { name, settle } of host.pending.values()) settle(died(host, name))
  host.pending.clear()
  tellIdle(host)
  Deferred.doneUnsafe(host.exited, Effect.void)
}

const died = (host: Process, call: HostRequestName): Effect.Effect<never, HostDied | HostNotStarted> => {
  const { signal, spawnError } = host.end ?? {}
  return spawnError === undefined
    ? Effect.fail(new HostDied({ call, signal, detail: host.words.last(), forAnother: host.killedFor === "call" }))
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
        resume(Effect.fail(new CallTimedOut({ call: name, afterMs: limitMs, detail: host.words.last() })))
        killHost(host, "call")
        tellIdle(host)
      }
      // When it is we who stood still, the answer is in the pipe, and is read before this.
      const limit = times.start(limitMs, () => void setImmediate(tooLate))
      const pending: Pending = {
        name,
        isAwaited: true,
        settle: (outcome) => {
          limit.cancel()
          resume(outcome)
        }
      }
      host.pending.set(call, pending)
      host.looking ??= times.start(lookEveryMs, () => look(host, times, false))
      hideSecrets(host.words, asked)
      host.send({ call, name, asked })
      return Effect.sync(() => {
        pending.isAwaited = false
        tellIdle(host)
      })
    }).pipe(
      Effect.catchTag("ModuleNotLoaded", ({ reason, detail }) =>
        Effect.fail(new ModuleNotLoaded({ path: settings.modulePath, reason, detail, user: settings.user?.name }))
      )
      // The host is this program in this version: the answer has the type of its request.
    ) as Effect.Effect<HostRequests[Name]["answer"], StartFault>

/** A host that two looks find stopped is killed: it will not answer, and its successor does in a moment. */
const look = (host: Process, times: TimeLimits, wasStopped: boolean): void => {
  const isNow = isStopped(host)
  if (isNow && wasStopped) killHost(host, "host")
  const again = () => look(host, times, isNow)
  host.looking = host.pending.size === 0 ? undefined : times.start(lookEveryMs, again)
}

const lookEveryMs = 2000

/**
 * Stopped by SIGSTOP, which no token does. Job control stops and continues us with it; a debugger's stop ("t") is
 * none. Source: proc_pid_stat(5), field 3.
 */
const isStopped = ({ child }: Process): boolean => {
  try {
    return /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"))
  } catch {
    // No /proc, or no process any more: its end or the limit will tell.
    return false
  }
}

/** Only `load` is refused with these. */
const neverLoads = <A>(call: Effect.Effect<A, StartFault>): Effect.Effect<A, HostFault> =>
  Effect.catchTags(call, { ModuleNotLoaded: Effect.die, HostNotStarted: Effect.die })

const hideSecrets = (words: ModuleWords, asked: object): void => {
  for (const [field, value] of Object.entries(asked))
    if (/pin$/i.test(field) && typeof value === "string") words.hide(value)
}

/** Beside the bundle we run from; in a checkout, where the build puts it. */
const hostEntry = (): string => {
  const beside = join(__dirname, "token-host.cjs")
  return existsSync(beside) ? beside : join(__dirname, "../../../../dist/token-host.cjs")
}
