/**
 * A device access token of Cumulocity (JWT): from our mapper, which received it from the cloud, or else requested over
 * the bridge as every local client does: `s/uat`, `s/dat`.
 *
 * Any local client may publish something that looks like a token: retained messages, and those before the request, are
 * ignored, and after a token that the cloud refuses the next one is tried. Tokens are secret: used in one header only.
 */
import { randomBytes } from "node:crypto"
import { Effect, Option, Redacted } from "effect"
import { localTarget } from "../../../actors/connect/targets.ts"
import { AccessTokenMissing, type HttpRefused } from "../../../messages/certificate.ts"
import { bridgeService } from "../../../messages/installation/bridge-service.ts"
import type { CredentialUnusable, MqttRefusal, MqttSessionProtocol } from "../../../messages/mqtt.ts"
import { serviceSocketPath } from "../../../messages/service-socket.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { checkCloudOnce } from "../connect/ask-mapper.ts"
import type { CommandContext } from "../hsm/token-command.ts"

const answerWithinMs = 20_000

/** Time to wait for another token after one was refused. */
const nextWithin = "3 seconds"

type Token = Redacted.Redacted<string>

/** Calls `use` with a token, and with the next one while the cloud responds that it is not authorised. */
export const withDeviceToken = <A, E extends { readonly _tag: string }>(
  { actors, input, terminal }: CommandContext,
  settings: CloudSettings,
  use: (token: Token) => Effect.Effect<A, E | HttpRefused>
): Effect.Effect<A, E | HttpRefused | AccessTokenMissing | CredentialUnusable | AskFailed> => {
  const profile = input.cloud?.profile
  const missing = (cause: MqttRefusal | undefined) =>
    new AccessTokenMissing({ words: profile === undefined ? "c8y" : `c8y --profile ${profile}`, cause })
  const wait = { title: "waiting for an access token from the cloud", limitMs: answerWithinMs }
  return Effect.gen(function* () {
    const asked = checkCloudOnce(serviceSocketPath(settings.run.path, bridgeService(settings).unit), answerWithinMs)
    // Undefined: no mapper of ours runs, or the cloud sends no token.
    const answer = yield* whileWaiting(terminal, wait, asked)
    const heard = answer?.ok === true ? tokenIn(Buffer.from(answer.payload, "base64")) : undefined
    if (heard !== undefined) return yield* use(heard)
    const { next, close } = tokensOfBroker(actors.localBroker, settings, missing)
    return yield* Effect.ensuring(
      Effect.gen(function* () {
        for (let token = yield* whileWaiting(terminal, wait, next); ; ) {
          const used = yield* Effect.result(use(token))
          if (used._tag === "Success") return used.success
          const { failure } = used
          const isUnauthorised = failure._tag === "HttpRefused" && "status" in failure && failure.status === 401
          if (!isUnauthorised) return yield* Effect.fail(failure)
          const another = yield* Effect.timeoutOption(next, nextWithin)
          if (Option.isNone(another)) return yield* Effect.fail(failure)
          token = another.value
        }
      }),
      close
    )
  })
}

/** `next` sends the request on its first call; each further call waits for another token. */
const tokensOfBroker = (
  localBroker: ActorRef<MqttSessionProtocol>,
  settings: CloudSettings,
  missing: (cause: MqttRefusal | undefined) => AccessTokenMissing
) => {
  const prefix = settings.cloud.topicPrefix
  const message = { topic: `${prefix}/s/uat`, payload: new Uint8Array(), qos: 1, retain: false } as const
  const within = { within: answerWithinMs } as const
  const hear = localBroker.ask("Next", undefined, within)
  let isAsked = false
  const ask = Effect.gen(function* () {
    const clientId = `tedge-cert-${randomBytes(6).toString("hex")}`
    const target = yield* localTarget(settings, { clientId, connectWithinMs: 5_000 })
    yield* localBroker.ask("Open", { target }, within)
    yield* localBroker.ask("Subscribe", { filters: [`${prefix}/s/dat`], qos: 1 }, within)
    // A message before the request answers another request.
    for (let n = 0; n < maxEarly; n++) if (Option.isNone(yield* Effect.timeoutOption(hear, "100 millis"))) break
    yield* localBroker.ask("Publish", { message }, within)
    isAsked = true
  })
  const next = Effect.gen(function* () {
    if (!isAsked) yield* ask
    for (;;) {
      const { retain, payload } = yield* hear
      const token = retain ? undefined : tokenIn(payload)
      if (token !== undefined) return token
    }
  }).pipe(
    Effect.timeoutOrElse({ duration: answerWithinMs, orElse: () => Effect.fail(missing(undefined)) }),
    Effect.mapError((failure) => {
      switch (failure._tag) {
        case "AccessTokenMissing":
        case "CredentialUnusable":
        case "PeerDown":
        case "Undeliverable":
          return failure
        case "AskTimeout":
          return missing(undefined)
        default:
          return missing(failure)
      }
    })
  )
  const close = Effect.ignore(localBroker.ask("Close", undefined, within)) // already closed is fine
  return { next, close }
}

const maxEarly = 20

/** SmartREST 71. Any local client may publish there: what is not formed as a token (RFC 7519) is ignored. */
const tokenIn = (payload: Uint8Array): Token | undefined => {
  const token = /^71,([\w.-]+)\s*$/.exec(Buffer.from(payload).toString("latin1"))?.[1]
  return token === undefined ? undefined : Redacted.make(token)
}
