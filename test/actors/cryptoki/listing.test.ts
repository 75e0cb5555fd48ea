/** The hosts that list tokens: each ends, however soon the next one lists, but for one that a lane took over. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { TokenHost } from "../../../src/actors/cryptoki/host-client.ts"
import type { HostRequestName, HostRequests } from "../../../src/actors/cryptoki/host-protocol.ts"
import type { Hosts } from "../../../src/actors/cryptoki/hosts.ts"
import { makeListing } from "../../../src/actors/cryptoki/listing.ts"
import { type CryptokiSettings, defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import { passTime, withTestClock } from "../../support/test-clock.ts"
import { someToken } from "./fake-host.ts"

const settings: CryptokiSettings = {
  modulePath: "/m.so",
  defaultPin: undefined,
  scope: undefined,
  latchDirectory: "/nowhere",
  limits: defaultLimits,
  idleHostEnds: false,
  keepLookingMs: 0,
  environment: {}
}

/** A listing over hosts that answer at once; `living` are those that were not ended. */
const bench = Effect.gen(function* () {
  const living = new Set<TokenHost>()
  const counted = { most: 0, started: 0 }
  const call = <Name extends HostRequestName>() =>
    Effect.succeed([someToken("one")] as unknown as HostRequests[Name]["answer"])
  const lease: ReturnType<Hosts["lease"]> = Effect.acquireRelease(
    Effect.sync(() => {
      const host: TokenHost = { library: { manufacturer: "", description: "", version: "" }, call }
      living.add(host)
      counted.started += 1
      counted.most = Math.max(counted.most, living.size)
      return host
    }),
    (host) => Effect.sync(() => void living.delete(host))
  )
  const scope = yield* Effect.scope
  const task = (effect: Effect.Effect<void>) => Effect.asVoid(Effect.forkIn(effect, scope))
  return { living, counted, listing: yield* makeListing({ settings, hosts: { lease: () => lease }, task }) }
})

describe("listing tokens", () => {
  it("over and over keeps two hosts at most, and none in the end", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, counted, listing } = yield* bench
        for (let turn = 0; turn < 60; turn++) {
          expect(yield* listing.tokens(0)).toHaveLength(1)
          yield* passTime("100 millis")
        }
        expect(counted).toEqual({ most: 2, started: 60 })
        yield* passTime("1 second")
        expect(living.size).toBe(0)
      })
    ))

  it("leaves a host alone that was taken over", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, listing } = yield* bench
        yield* listing.tokens(0)
        const taken = yield* listing.takeHost
        yield* listing.tokens(0)
        yield* passTime("1 second")
        expect([...living]).toEqual([taken?.host])
      })
    ))
})
