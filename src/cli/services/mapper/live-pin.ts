/**
 * The PIN as currently configured: a corrected PIN takes effect without a restart of the mapper.
 *
 * Only the PIN is reloaded; another key requires `tedge reconnect`. The latch decides whether a PIN may be tried, so
 * frequent reading costs the token nothing.
 */
import { Effect, Redacted } from "effect"
import type { Connect } from "../../../actors/mqtt/broker-connection.ts"
import type { KeySelector } from "../../../messages/cryptoki.ts"
import type { MqttRefusal } from "../../../messages/mqtt.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"

interface LivePin {
  /** For requests without a PIN; the latch treats a new one as entered by a person. */
  readonly pin: () => Redacted.Redacted<string> | undefined
  /** Dials with the currently configured PIN. */
  readonly dialling: (connect: Connect) => Connect
  /** Completes when the configured PIN differs from the one refused at the last dial. */
  readonly corrected: Effect.Effect<void>
}

/** `read` fails if the settings are unreadable at the moment: then the PIN is kept. */
export const livePin = <E>(settings: CloudSettings, read: Effect.Effect<CloudSettings, E>): LivePin => {
  let known = pinsOf(settings)
  let isRefused = false
  const isNew = Effect.match(read, {
    onFailure: () => false,
    onSuccess: (now) => {
      const found = pinsOf(now)
      if (nameOf(found.key) !== nameOf(known.key) || isSamePin(found.pin, known.pin)) return false
      known = found
      return true
    }
  })
  const remember = (refused: boolean) =>
    Effect.sync(() => {
      isRefused = refused
    })
  const dialling: LivePin["dialling"] = (connect) => (target, receiver) => {
    const { tls } = target
    if (tls?.identity.kind !== "token") return connect(target, receiver)
    const { identity } = tls
    const dialled = Effect.suspend(() =>
      connect({ ...target, tls: { ...tls, identity: { ...identity, key: known.key } } }, receiver)
    )
    return Effect.andThen(isNew, dialled).pipe(
      Effect.tap(() => remember(false)),
      Effect.tapError((refusal) => remember(isAboutPin(refusal)))
    )
  }
  // Every 5 seconds: a person who has just set the PIN is waiting.
  const corrected: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.andThen(Effect.sleep("5 seconds"), isRefused ? isNew : Effect.succeed(false)), (found) =>
      found ? Effect.void : corrected
    )
  )
  return { pin: () => known.pin, dialling, corrected }
}

interface Pins {
  readonly key: KeySelector
  /** The effective PIN, as the same object: its holder recognises it as the settings' own. */
  readonly pin: Redacted.Redacted<string> | undefined
}

const pinsOf = ({ cloud, cryptoki }: CloudSettings): Pins => {
  const { key } = cloud.device
  return { key, pin: key.uri?.pinValue ?? key.pin ?? cryptoki.pin }
}

const nameOf = ({ uri }: KeySelector): string => shownUri(uri ?? {})

const isSamePin = (one: Pins["pin"], other: Pins["pin"]): boolean =>
  (one && Redacted.value(one)) === (other && Redacted.value(other))

const isAboutPin = (refusal: MqttRefusal): boolean =>
  refusal._tag === "SigningFailed" && (refusal.cause._tag === "PinRejected" || refusal.cause._tag === "PinMissing")
