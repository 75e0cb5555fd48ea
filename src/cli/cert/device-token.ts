/**
 * A device access token of Cumulocity (JWT), asked for over the bridge as every local client does: `s/uat`, `s/dat`.
 *
 * The token is a secret: it goes into one header and nowhere else.
 */
import { randomBytes } from "node:crypto"
import { Effect, Redacted } from "effect"
import { localTarget } from "../../actors/connect/targets.ts"
import { AccessTokenMissing } from "../../messages/certificate.ts"
import type { CredentialUnusable, MqttRefusal } from "../../messages/mqtt.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import type { CommandContext } from "../hsm/token-command.ts"

const answerWithin = "20 seconds"

export const deviceToken = (
  { actors, input }: CommandContext,
  settings: CloudSettings
): Effect.Effect<Redacted.Redacted<string>, AccessTokenMissing | CredentialUnusable | AskFailed> => {
  const { localBroker } = actors
  const prefix = settings.cloud.topicPrefix
  const message = { topic: `${prefix}/s/uat`, payload: new Uint8Array(), qos: 1, retain: false } as const
  const within = { within: answerWithin } as const
  const profile = input.cloud?.profile
  const missing = (cause: MqttRefusal | undefined) =>
    new AccessTokenMissing({ words: profile === undefined ? "c8y" : `c8y --profile ${profile}`, cause })
  const asked = Effect.gen(function* () {
    const clientId = `tedge-cert-${randomBytes(6).toString("hex")}`
    const target = yield* localTarget(settings, { clientId, connectWithinMs: 5_000 })
    yield* localBroker.ask("Open", { target }, within)
    yield* localBroker.ask("Subscribe", { filters: [`${prefix}/s/dat`], qos: 1 }, within)
    yield* localBroker.ask("Publish", { message }, within)
    for (;;) {
      const token = tokenIn((yield* localBroker.ask("Next", undefined, within)).payload)
      if (token !== undefined) return token
    }
  })
  return asked.pipe(
    Effect.timeoutOrElse({ duration: answerWithin, orElse: () => Effect.fail(missing(undefined)) }),
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
    }),
    Effect.ensuring(Effect.ignore(localBroker.ask("Close", undefined, within))) // closed or gone: nothing stays open
  )
}

/** SmartREST 71. Any local client may publish there: what cannot be a token (RFC 7519) is passed over. */
const tokenIn = (payload: Uint8Array): Redacted.Redacted<string> | undefined => {
  const token = /^71,([\w.-]+)\s*$/.exec(Buffer.from(payload).toString("latin1"))?.[1]
  return token === undefined ? undefined : Redacted.make(token)
}
