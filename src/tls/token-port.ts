/** The actors behind a token, as functions that return promises: the only file here that imports Effect. */
import { homedir } from "node:os"
import { join } from "node:path"
import { Cause, Effect, Exit, Redacted, References, Result, Scope } from "effect"
import { cryptokiBehaviour } from "../actors/cryptoki/cryptoki-actor.ts"
import { socketCryptokiBehaviour } from "../actors/cryptoki/remote/socket-cryptoki-actor.ts"
import { type CryptokiSettings, defaultLimits, type Publish, requestMailbox } from "../actors/cryptoki/settings.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../messages/cryptoki.ts"
import type { ProgramFailure } from "../messages/explain/program.ts"
import { type Pkcs11Uri, parsePkcs11Uri } from "../messages/pkcs11-uri.ts"
import { address, type Behaviour, child } from "../runtime/actor.ts"
import { turnScheduler } from "../runtime/primitives/turn-scheduler.ts"
import type { ActorRef, AnswerOf, AskTag, PayloadOf } from "../runtime/protocol.ts"
import { Supervisor } from "../runtime/supervisor.ts"
import { errorOf } from "./refusals.ts"
import { aborted, TokenError } from "./token-error.ts"

interface TokenProvider {
  /** Absolute path of a PKCS#11 module; or */
  readonly module: string | undefined
  /** the path of tedge-p11-server's socket. */
  readonly socket: string | undefined
  readonly pin: string | undefined
  readonly environment: NodeJS.ProcessEnv
  /** Where refused PINs are recorded. */
  readonly latch: string | undefined
}

export interface TokenPort {
  /** Rejects with a TokenError. */
  readonly ask: <Tag extends AskTag<CryptokiProtocol>>(
    tag: Tag,
    payload: PayloadOf<CryptokiProtocol, Tag>,
    options: { readonly withinMs: number; readonly signal?: AbortSignal | undefined }
  ) => Promise<AnswerOf<CryptokiProtocol, Tag>>
  /** Resolves when the requests in flight have ended and the module's process has exited. */
  readonly close: () => Promise<void>
}

export const startTokenPort = (provider: TokenProvider, tell: (event: CryptokiEvent) => void): TokenPort => {
  const scope = Scope.makeUnsafe()
  const publish = (event: CryptokiEvent) => Effect.sync(() => tell(event))
  const starting = Effect.runPromise(quiet(Scope.provide(supervised(behaviourFor(provider, publish)), scope)), {
    scheduler
  })
  const state: { ref?: ActorRef<CryptokiProtocol>; closing?: Promise<void> } = {}
  const started = starting.then((ref) => {
    state.ref = ref
    return ref
  })
  const close = async () => {
    await started
    await Effect.runPromise(Scope.close(scope, Exit.void), { scheduler })
  }
  return {
    ask: async (tag, payload, { withinMs, signal }) => {
      if (state.closing) throw new TokenError("ERR_TOKEN_CLOSED", "the token was closed")
      if (signal?.aborted) throw aborted(signal)
      const ref = state.ref ?? (await started)
      // The table has one type for all tags; the signature relates each to its answer.
      const asked = ref.ask(tag, payload, { within: withinMs }) as Effect.Effect<
        AnswerOf<CryptokiProtocol, typeof tag>,
        ProgramFailure
      >
      const exit = await Effect.runPromiseExit(quiet(asked), { scheduler, ...(signal && { signal }) })
      if (Exit.isSuccess(exit)) return exit.value
      throw failureOf(exit.cause, signal, state.closing !== undefined)
    },
    close: () => {
      state.closing ??= close()
      return state.closing
    }
  }
}

/** Programs have their own log; what concerns them is published as events. */
const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, References.MinimumLogLevel, "None")

const failureOf = (
  cause: Cause.Cause<ProgramFailure>,
  signal: AbortSignal | undefined,
  isClosing: boolean
): TokenError => {
  if (signal?.aborted) return aborted(signal)
  if (isClosing) return new TokenError("ERR_TOKEN_CLOSED", "the token was closed")
  const found = Cause.findError(cause)
  return Result.isSuccess(found)
    ? errorOf(found.success)
    : new TokenError("ERR_TOKEN_FAILED", "internal error", { cause: Cause.squash(cause) })
}

const supervised = (
  behaviour: Behaviour<CryptokiProtocol>
): Effect.Effect<ActorRef<CryptokiProtocol>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const place = yield* address<CryptokiProtocol>({ name: "tls/cryptoki", mailbox: requestMailbox })
    const starting = Supervisor.start({
      name: "tls",
      strategy: "one_for_one",
      intensity: { max: 5, within: "1 minute" },
      backoff: { initial: "200 millis", maximum: "1 minute", factor: 4, jitter: 0.2, resetAfter: "5 minutes" },
      onExhausted: "park",
      children: [child(place, behaviour, { restart: "permanent" })]
    })
    // It owns nothing yet that could fail.
    yield* Effect.orDie(starting)
    return place.ref
  })

const behaviourFor = (provider: TokenProvider, publish: Publish): Behaviour<CryptokiProtocol> => {
  const latchDirectory = provider.latch ?? defaultLatch()
  if (provider.socket !== undefined)
    return socketCryptokiBehaviour({
      socketPath: provider.socket,
      latches: { directory: latchDirectory, owner: undefined }
    })
  const settings: CryptokiSettings = {
    modulePath: provider.module ?? "",
    defaultPin: provider.pin === undefined ? undefined : Redacted.make(provider.pin),
    program: `tedge-actors/tls ${process.argv[1] ?? ""}`,
    scope: undefined,
    latchDirectory,
    limits: defaultLimits,
    idleHostEnds: false,
    keepPollingMs,
    environment: provider.environment
  }
  return cryptokiBehaviour(settings, { publish })
}

/** Of this user, and kept across restarts: a wrong PIN in a restarting program is tried once. */
const defaultLatch = (): string =>
  join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "tedge-actors", "pin-latch")

const scheduler = turnScheduler()

/** How long after the last request a missing token is polled for. */
const keepPollingMs = 600_000

/** Throws a TokenError. */
export const parsedUri = (text: string): Pkcs11Uri => {
  const parsed = parsePkcs11Uri(text)
  if (Result.isSuccess(parsed)) return parsed.success
  throw errorOf(parsed.failure)
}

/** Never printed. */
export const secret = (pin: string): Redacted.Redacted<string> => Redacted.make(pin)
