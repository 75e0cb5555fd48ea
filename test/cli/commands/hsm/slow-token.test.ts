/** What `tedge hsm doctor` says of a token that signs, but slowly: on a clock that the test moves. */
import { Effect, Fiber, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { type Check, examine } from "../../../../src/cli/commands/hsm/doctor/examination.ts"
import { tokenChecks } from "../../../../src/cli/commands/hsm/doctor/token-checks.ts"
import type { Wait } from "../../../../src/cli/terminal/progress.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { type FakeToken, fakeToken } from "../../../../src/testing/fake-token.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"

const unset = { modulePath: undefined, pin: undefined, uri: undefined }
const device = { key: { pin: Redacted.make("123456") } }
const mailbox = { capacity: 8, overflow: { policy: "refuse" } } as const

const examined = (token: FakeToken) =>
  Effect.gen(function* () {
    const cryptoki = yield* start<CryptokiProtocol, never, never>({
      name: "token",
      mailbox,
      behaviour: token.behaviour
    })
    const checks: Array<Check> = []
    const waits: Array<string> = []
    const waiting = ({ title }: Wait) =>
      Effect.as(
        Effect.sync(() => waits.push(title)),
        Effect.void
      )
    const noted = examine(checks, { waiting }, () => Effect.void)
    const settings = {
      configDir: "/nowhere",
      cryptoki: { ...unset, mode: "socket", socketPath: "/nowhere.sock" }
    } as const
    const examining = yield* Effect.forkChild(tokenChecks({ actors: { cryptoki } }, noted, settings, device))
    while (examining.pollUnsafe() === undefined) yield* passTime("1 second")
    yield* Fiber.join(examining)
    expect(checks.filter(({ ok, name }) => !ok && name !== "signing time")).toEqual([])
    expect(waits).toContain("waiting for a signature; touch the token if it blinks")
    return checks.find(({ name }) => name === "signing time")
  })

const tokenWith = (latencyMs: number): FakeToken => {
  const token = fakeToken({ latencyMs })
  token.addKey("my-key", "01")
  return token
}

describe("the doctor's check of the signing time", () => {
  it("fails when a signature takes half of what a connection waits, with a next step", () =>
    withTestClock(
      Effect.gen(function* () {
        expect(yield* examined(tokenWith(30_000))).toEqual({
          name: "signing time",
          ok: false,
          detail: "30000 ms, and a connection waits 60 s",
          hint: "a smaller key, or ECDSA instead of RSA, signs faster"
        })
      })
    ))

  it("passes below that", () =>
    withTestClock(
      Effect.gen(function* () {
        expect(yield* examined(tokenWith(29_000))).toMatchObject({ ok: true })
      })
    ))
})
