/** A PIN that is corrected in the settings while the mapper runs. */
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { Connect } from "../../../../src/actors/mqtt/broker-connection.ts"
import { livePin } from "../../../../src/cli/services/mapper/live-pin.ts"
import type { KeySelector } from "../../../../src/messages/cryptoki.ts"
import { SigningFailed, type Target } from "../../../../src/messages/mqtt.ts"
import type { CloudSettings } from "../../../../src/messages/settings/resolved-settings.ts"
import { PinRejected } from "../../../../src/messages/token-refusals.ts"
import { passTime, settled, withTestClock } from "../../../../src/testing/test-clock.ts"

interface Pins {
  readonly uriPin?: string
  readonly keyPin?: string
  readonly pin?: string
  readonly object?: string
}

const settingsOf = ({ uriPin, keyPin, pin, object = "my-key" }: Pins): CloudSettings => {
  const uri = { object, ...(uriPin !== undefined && { pinValue: Redacted.make(uriPin) }) }
  const key: KeySelector = { uri, ...(keyPin !== undefined && { pin: Redacted.make(keyPin) }) }
  const cryptoki = { pin: pin === undefined ? undefined : Redacted.make(pin) }
  return { cloud: { device: { key } }, cryptoki } as CloudSettings
}

/** The settings, and a broker to which no token signs. */
const bench = (before: Pins) => {
  const file = { settings: settingsOf(before), isReadable: true, reads: 0 }
  const read = Effect.suspend(() => {
    file.reads += 1
    return file.isReadable ? Effect.succeed(file.settings) : Effect.fail("malformed" as const)
  })
  const live = livePin(file.settings, read)
  const dialled: Array<KeySelector> = []
  const refusing: Connect = ({ host, tls }) =>
    Effect.suspend(() => {
      if (tls?.identity.kind === "token") dialled.push(tls.identity.key)
      return Effect.fail(new SigningFailed({ host, cause: new PinRejected({ token: "t", reason: "incorrect" }) }))
    })
  const target = {
    host: "cloud.example",
    tls: { caPath: "/ca", identity: { kind: "token", certPath: "/cert", key: file.settings.cloud.device.key } }
  } as Target
  const dial = Effect.scoped(
    Effect.ignore(live.dialling(refusing)(target, { onMessage: () => {}, acknowledged: "later" }))
  )
  const pinNow = () => {
    const pin = live.pin()
    return pin && Redacted.value(pin)
  }
  return { file, live, dial, dialled, pinNow }
}

describe("a PIN that is changed while the mapper runs", () => {
  it.each([
    ["device.cryptoki.pin", { pin: "111111" }, { pin: "222222" }],
    ["key_pin", { keyPin: "111111", pin: "999999" }, { keyPin: "222222", pin: "999999" }],
    ["pin-value in key_uri", { uriPin: "111111", keyPin: "999999" }, { uriPin: "222222", keyPin: "999999" }]
  ])("counts from the next dial on: %s", async (_where, before, after) => {
    const { file, dial, dialled, pinNow } = bench(before)
    await Effect.runPromise(dial)
    expect(pinNow()).toBe("111111")
    file.settings = settingsOf(after)
    await Effect.runPromise(dial)
    expect(pinNow()).toBe("222222")
    expect(dialled.at(-1)).toBe(file.settings.cloud.device.key)
  })

  it("is noticed within 5 s of being corrected, and only after a refusal", () =>
    withTestClock(
      Effect.gen(function* () {
        const { file, live, dial } = bench({ pin: "111111" })
        let isCorrected = false
        yield* Effect.forkScoped(
          Effect.map(live.corrected, () => {
            isCorrected = true
          })
        )
        yield* passTime("1 minute")
        expect(file.reads).toBe(0)
        yield* dial
        yield* passTime("1 minute")
        expect(isCorrected).toBe(false)
        file.settings = settingsOf({ pin: "222222" })
        yield* passTime("5 seconds")
        yield* settled
        expect(isCorrected).toBe(true)
      })
    ))

  it("is the same object while the settings do not change", async () => {
    const { file, live, dial } = bench({ pin: "111111" })
    const first = live.pin()
    file.settings = settingsOf({ pin: "111111" })
    await Effect.runPromise(dial)
    expect(live.pin()).toBe(first)
  })

  it("stays as it was while the settings cannot be read, or name another key", async () => {
    const { file, dial, pinNow } = bench({ pin: "111111" })
    file.isReadable = false
    await Effect.runPromise(dial)
    file.isReadable = true
    file.settings = settingsOf({ pin: "222222", object: "another-key" })
    await Effect.runPromise(dial)
    expect(pinNow()).toBe("111111")
  })
})
