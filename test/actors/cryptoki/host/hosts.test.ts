/** One host for each who needs one, or one for all where the module allows no second process. */
import { Effect, Exit, Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { TokenHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import { makeHosts } from "../../../../src/actors/cryptoki/host/hosts.ts"
import { quirksOf } from "../../../../src/actors/cryptoki/pkcs11/quirks.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"
import { settings } from "./fake-host.ts"

const tpm = { manufacturer: "tpm2-software.github.io", description: "TPM2.0 Cryptoki", version: "0.0" }
const softHsm = { manufacturer: "SoftHSM", description: "Implementation of PKCS11", version: "2.6" }

const bench = (library: TokenHost["library"]) =>
  Effect.gen(function* () {
    const living = new Set<TokenHost>()
    const start = Effect.acquireRelease(
      Effect.sync((): TokenHost => {
        const host: TokenHost = { library, isIdle: () => true, call: () => Effect.die(new Error("not asked")) }
        living.add(host)
        return host
      }),
      (host) => Effect.sync(() => void living.delete(host))
    )
    const hosts = yield* makeHosts(settings, () => start)
    const lease = (broken?: TokenHost) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        return { host: yield* Scope.provide(hosts.lease(broken), scope), give: Scope.close(scope, Exit.void) }
      })
    return { living, lease, hosts }
  })

describe("token hosts", () => {
  it("are to spare one at a time, and five in half a minute: clients could have them started without end", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, hosts } = yield* bench(softHsm)
        const spare = (count: number) =>
          Effect.scoped(
            Effect.all(
              Array.from({ length: count }, () => hosts.spare),
              { concurrency: "unbounded" }
            )
          )
        const given = (all: ReadonlyArray<TokenHost | undefined>) => all.filter((one) => one !== undefined).length
        expect(given(yield* spare(50))).toBe(1)
        expect(living.size).toBe(0)
        for (let turn = 0; turn < 4; turn++) expect(given(yield* spare(1))).toBe(1)
        expect(given(yield* spare(50))).toBe(0)
        yield* passTime("30 seconds")
        expect(given(yield* spare(50))).toBe(1)
      })
    ))

  it("are apart for each token, as a rule", () =>
    Effect.gen(function* () {
      const { living, lease } = yield* bench(softHsm)
      const [one, two] = [yield* lease(), yield* lease()]
      expect(one.host).not.toBe(two.host)
      yield* one.give
      expect([...living]).toEqual([two.host])
    }).pipe(Effect.scoped, Effect.runPromise))

  it("are one for all tokens of a TPM without resource manager, until the last gives it back", () =>
    Effect.gen(function* () {
      const { living, lease } = yield* bench(tpm)
      const [one, two] = [yield* lease(), yield* lease()]
      expect(one.host).toBe(two.host)
      yield* one.give
      expect(living.size).toBe(1)
      yield* two.give
      expect(living.size).toBe(0)
    }).pipe(Effect.scoped, Effect.runPromise))

  it("that broke are not used again", () =>
    Effect.gen(function* () {
      const { living, lease } = yield* bench(tpm)
      const [one, two] = [yield* lease(), yield* lease()]
      const next = yield* lease(one.host)
      expect(next.host).not.toBe(one.host)
      expect([...living]).toEqual([next.host])
      // The other user of the broken one comes for the new one, too.
      expect((yield* lease(two.host)).host).toBe(next.host)
      yield* one.give
      expect([...living]).toEqual([next.host])
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("a TPM", () => {
  it.each([
    ["tabrmd:bus_type=session", false],
    ["device:/dev/tpmrm0", false],
    ["swtpm:host=127.0.0.1,port=2321", true],
    [undefined, true]
  ])("behind %s shares one host: %s", (tcti, sharedModule) => {
    expect(quirksOf(tpm, tcti === undefined ? {} : { TPM2_PKCS11_TCTI: tcti })).toMatchObject({ sharedModule })
  })
})
