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
import { ModuleNotLoaded } from "../../messages/token-refusals.ts"
import { userArguments } from "../../platform/become-user.ts"
import { ShortLivedMap } from "../../runtime/short-lived.ts"
import { type RunningLimit, type TimeLimits, timeLimits } from "../../runtime/time-limits.ts"
import { type HostUser, hostEnvironment } from "./host-environment.ts"
import { frameReader, frameWriter } from "./host-frames.ts"
import type { HostRefusal, HostReply, HostRequestName, HostRequests, LibraryFacts } from "./host-protocol.ts"
import { type ModuleWords, moduleWords } from "./module-words.ts"

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
}> {}

/** The host ended before it answered. */
export class HostDied extends Data.TaggedError("HostDied")<{
  readonly call: HostRequestName
  readonly signal: string | undefined
  readonly detail: string
}> {}

export type HostFault = CallRefused | CallTimedOut | HostDied

export interface TokenHost {
  readonly library: LibraryFacts
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
}

/** Starts a host with the module loaded. It ends, politely if it can, when the scope closes. */
export const startHost = (settings: HostSettings): Effect.Effect<TokenHost, ModuleNotLoaded | HostFault, Scope.Scope> =>
  Effect.gen(function* () {
    // Before the host, as its calls end with it.
    const times = yield* timeLimits
    const host = yield* Effect.acquireRelease(
      Effect.sync(() => spawnHost(settings)),
      endHost
    )
    const call = caller(host, settings, times)
    const library = yield* call("load", { path: settings.modulePath }, settings.initializeMs)
    return { library, call: (name, asked, limitMs) => neverLoads(call(name, asked, limitMs)) }
  })

interface Pending {
  readonly name: HostRequestName
  /** Only the first outcome counts. */
  readonly settle: (outcome: Effect.Effect<unknown, HostFault | ModuleNotLoaded>) => void
}

interface HostProcess {
  readonly child: ChildProcess
  readonly pipe: Socket
  readonly send: (request: unknown) => void
  readonly words: ModuleWords
  readonly pending: ShortLivedMap<number, Pending>
  readonly exited: Deferred.Deferred<void>
  lastCall: number
  /** The next look at a host that has something to do. */
  looking: RunningLimit | undefined
  /** How it ended; undefined while it lives. */
  end: { readonly signal: string | undefined } | undefined
}

const spawnHost = ({ environment, user }: HostSettings): HostProcess => {
  const child = spawn(process.execPath, [hostEntry(), String(process.pid), ...userArguments(user)], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: hostEnvironment(environment, user),
    cwd: "/"
  })
  const pipe = child.stdio[3]
  if (!(pipe instanceof Socket)) throw new Error("the token host has no pipe")
  const host: HostProcess = {
    child,
    pipe,
    send: frameWriter((bytes) => pipe.write(bytes)),
    words: moduleWords(),
    pending: new ShortLivedMap(),
    exited: Deferred.makeUnsafe(),
    lastCall: 0,
    looking: undefined,
    end: undefined
  }
  child.stdout?.on("data", host.words.add)
  child.stderr?.on("data", host.words.add)
  const ended = (signal: string | undefined) => {
    host.end ??= { signal }
    // What a crashing module printed is still in the pipe: let it be read first.
    setImmediate(() => buryHost(host))
  }
  child.on("exit", (_code, signal) => ended(signal ?? undefined))
  child.on("error", () => ended(undefined))
  listen(host)
  return host
}

const listen = (host: HostProcess): void => {
  const read = frameReader()
  const lost = () => host.child.kill("SIGKILL")
  host.pipe.on("data", (chunk) => {
    try {
      for (const value of read(chunk)) settle(host, value as HostReply)
    } catch {
      // A host that frames nonsense is no host any more; those who wait learn it from its end.
      lost()
    }
  })
  // A module may close every descriptor of its process; a host that cannot answer is of no use.
  host.pipe.on("close", lost)
  host.pipe.on("error", lost)
}

const settle = (host: HostProcess, reply: HostReply): void => {
  const pending = host.pending.get(reply.call)
  if (pending === undefined) return
  host.pending.delete(reply.call)
  pending.settle("answer" in reply ? Effect.succeed(reply.answer) : refused(reply.refusal, host.words))
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
const buryHost = (host: HostProcess): void => {
  for (const { name, settle } of host.pending.values()) settle(died(host, name))
  host.pending.clear()
  Deferred.doneUnsafe(host.exited, Effect.void)
}

const died = (host: HostProcess, call: HostRequestName) =>
  Effect.fail(new HostDied({ call, signal: host.end?.signal, detail: host.words.last() }))

const caller =
  (host: HostProcess, settings: HostSettings, times: TimeLimits) =>
  <Name extends HostRequestName>(
    name: Name,
    asked: HostRequests[Name]["asked"],
    limitMs: number
  ): Effect.Effect<HostRequests[Name]["answer"], HostFault | ModuleNotLoaded> =>
    Effect.callback<unknown, HostFault | ModuleNotLoaded>((resume) => {
      if (host.end) return resume(died(host, name))
      host.lastCall += 1
      const call = host.lastCall
      const tooLate = () => {
        if (!host.pending.delete(call)) return
        resume(Effect.fail(new CallTimedOut({ call: name, afterMs: limitMs })))
        host.child.kill("SIGKILL")
      }
      // When it is we who stood still, the answer is in the pipe, and is read before this.
      const limit = times.start(limitMs, () => void setImmediate(tooLate))
      const settle = (outcome: Effect.Effect<unknown, HostFault | ModuleNotLoaded>) => {
        limit.cancel()
        resume(outcome)
      }
      host.pending.set(call, { name, settle })
      host.looking ??= times.start(lookEveryMs, () => look(host, times, false))
      hideSecrets(host.words, asked)
      host.send({ call, name, asked })
    }).pipe(
      Effect.catchTag("ModuleNotLoaded", ({ reason, detail }) =>
        Effect.fail(new ModuleNotLoaded({ path: settings.modulePath, reason, detail, user: settings.user?.name }))
      )
      // The host is this program in this version: the answer has the type of its request.
    ) as Effect.Effect<HostRequests[Name]["answer"], HostFault | ModuleNotLoaded>

/** A host that two looks find stopped is killed: it will not answer, and its successor does in a moment. */
const look = (host: HostProcess, times: TimeLimits, wasStopped: boolean): void => {
  const isNow = isStopped(host)
  if (isNow && wasStopped) host.child.kill("SIGKILL")
  const again = () => look(host, times, isNow)
  host.looking = host.pending.size === 0 ? undefined : times.start(lookEveryMs, again)
}

const lookEveryMs = 2000

/**
 * Stopped by SIGSTOP, which no token does. Job control stops and continues us with it; a debugger's stop ("t") is
 * none. Source: proc_pid_stat(5), field 3.
 */
const isStopped = ({ child }: HostProcess): boolean => {
  try {
    return /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"))
  } catch {
    // No /proc, or no process any more: its end or the limit will tell.
    return false
  }
}

/** Only `load` is refused with it. */
const neverLoads = <A>(call: Effect.Effect<A, HostFault | ModuleNotLoaded>): Effect.Effect<A, HostFault> =>
  Effect.catchTag(call, "ModuleNotLoaded", Effect.die)

const hideSecrets = (words: ModuleWords, asked: object): void => {
  for (const [field, value] of Object.entries(asked))
    if (/pin$/i.test(field) && typeof value === "string") words.hide(value)
}

/** Closing the pipe asks the host to finish and to finalise its module. */
const endHost = (host: HostProcess): Effect.Effect<void> =>
  Effect.gen(function* () {
    host.looking?.cancel()
    if (host.end === undefined) host.pipe.end()
    yield* Deferred.await(host.exited).pipe(
      Effect.timeoutOrElse({
        duration: politeEndMs,
        orElse: () => {
          host.child.kill("SIGKILL")
          return Deferred.await(host.exited)
        }
      })
    )
  })

/** How long a module may take to finalise. */
const politeEndMs = 1000

/** Beside the bundle we run from; in a checkout, where the build puts it. */
const hostEntry = (): string => {
  const beside = join(__dirname, "token-host.cjs")
  return existsSync(beside) ? beside : join(__dirname, "../../../dist/token-host.cjs")
}
