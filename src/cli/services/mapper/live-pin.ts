/**
 * The PIN as the settings have it now: a wrong one that was corrected counts without a restart of the mapper.
 *
 * Only the PIN is taken; another key is for `tedge reconnect`. Whether a PIN may be tried is the latch's to say, so
 * reading the settings often costs the token nothing.
 */
import { type Duration, Effect, Redacted } from "effect"
import type { Connect } from "../../../actors/mqtt/connection.ts"
import type { KeySelector } from "../../../messages/cryptoki.ts"
import type { MqttRefusal, Target } from "../../../messages/mqtt.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"

interface LivePin {
  /** For requests without one; the latch treats a new one as entered by a person. */
  readonly pin: () => Redacted.Redacted<string> | undefined
  /** Dials with the PIN as it is in the settings at that moment. */
  readonly dialling: (connect: Connect) => Connect
  /** Ends when the settings have another PIN than the one the last dial was refused for. */
  readonly corrected: Effect.Effect<void>
}

/** `read` fails when the settings cannot be read just now: then the PIN stays as it was. */
export const livePin = <E>(settings: CloudSettings, read: Effect.Effect<CloudSettings, E>): LivePin => {
  let known = pinsOf(settings)
  let isRefused = false
  const isNew = Effect.match(read, {
    onFailure: () => false,
    onSuccess: (now) => {
      const found = pinsOf(now)
      if (!isSameKey(found.key, known.key) || isSamePin(found.pin, known.pin)) return false
      known = found
      return true
    }
  })
  const remember = (refused: boolean) =>
    Effect.sync(() => {
      isRefused = refused
    })
  const dialling: LivePin["dialling"] = (connect) => (target, receiver) => {
    if (target.tls?.identity.kind !== "token") return connect(target, receiver)
    const dialled = Effect.suspend(() => connect(withKey(target, known.key), receiver))
    return Effect.andThen(isNew, dialled).pipe(
      Effect.tap(() => remember(false)),
      Effect.tapError((refusal) => remember(isAboutPin(refusal)))
    )
  }
  const corrected: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.andThen(Effect.sleep(lookEvery), isRefused ? isNew : Effect.succeed(false)), (found) =>
      found ? Effect.void : corrected
    )
  )
  return { pin: () => known.pin, dialling, corrected }
}

interface Pins {
  readonly key: KeySelector
  /** The one that counts, and the very object: who holds it knows it for the settings' own. */
  readonly pin: Redacted.Redacted<string> | undefined
}

const pinsOf = ({ cloud, cryptoki }: CloudSettings): Pins => {
  const { key } = cloud.device
  return { key, pin: key.uri?.pinValue ?? key.pin ?? cryptoki.pin }
}

const isSameKey = (one: KeySelector, other: KeySelector): boolean => nameOf(one) === nameOf(other)

const nameOf = ({ uri }: KeySelector): string => shownUri(uri ?? {})

const isSamePin = (one: Pins["pin"], other: Pins["pin"]): boolean =>
  (one && Redacted.value(one)) === (other && Redacted.value(other))

const withKey = (target: Target, key: KeySelector): Target => {
  const { tls } = target
  return tls?.identity.kind === "token" ? { ...target, tls: { ...tls, identity: { ...tls.identity, key } } } : target
}

const isAboutPin = (refusal: MqttRefusal): boolean =>
  refusal._tag === "SigningFailed" && (refusal.cause._tag === "PinRejected" || refusal.cause._tag === "PinMissing")

/** A person who has just set the PIN is looking. */
const lookEvery: Duration.Input = "5 seconds"
