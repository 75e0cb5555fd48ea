/** The hosts that list tokens: each ends, however soon the next one lists, but for one that a token actor took over. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeListing } from "../../../../src/actors/cryptoki/discovery/listing.ts"
import type { TokenHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import type { Hosts } from "../../../../src/actors/cryptoki/host/hosts.ts"
import type { HostRequestName, HostRequests } from "../../../../src/actors/cryptoki/host/protocol.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"
import { settings, someToken } from "../host/fake-host.ts"

/** A listing over hosts that answer at once; `living` are those that were not ended. */
const bench = (manufacturer = "Card maker") =>
  Effect.gen(function* () {
    const living = new Set<TokenHost>()
    const counted = { most: 0, started: 0 }
    const reader = { tokens: ["one"], isBusy: false }
    const call = <Name extends HostRequestName>() =>
      Effect.sync(
        () =>
          reader.tokens.map((label) => ({
            ...someToken(label),
            manufacturer
          })) as unknown as HostRequests[Name]["answer"]
      )
    const lease: ReturnType<Hosts["lease"]> = Effect.acquireRelease(
      Effect.sync(() => {
        const library = { manufacturer: "", description: "", version: "" }
        const host: TokenHost = { library, isIdle: () => !reader.isBusy, call }
        living.add(host)
        counted.started += 1
        counted.most = Math.max(counted.most, living.size)
        return host
      }),
      (host) => Effect.sync(() => void living.delete(host))
    )
    const scope = yield* Effect.scope
    const task = (effect: Effect.Effect<void>) => Effect.asVoid(Effect.forkIn(effect, scope))
    const idle = () => [...living].find((host) => host.isIdle())
    const listing = yield* makeListing({ settings, hosts: { lease: () => lease, idle }, task })
    return { living, counted, reader, listing }
  })

describe("listing tokens in files", () => {
  it("over and over keeps two hosts at most, and none in the end", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, counted, listing } = yield* bench("SoftHSM project")
        for (let turn = 0; turn < 60; turn++) {
          expect(yield* listing.tokens(0)).toHaveLength(1)
          yield* passTime("100 millis")
        }
        expect(counted).toEqual({ most: 2, started: 60 })
        yield* passTime("2 seconds")
        expect(living.size).toBe(0)
      })
    ))

  it("leaves a host alone that was taken over", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, listing } = yield* bench("SoftHSM project")
        yield* listing.tokens(0)
        const taken = yield* listing.takeHost
        yield* listing.tokens(0)
        yield* passTime("2 seconds")
        expect([...living]).toEqual([taken?.host])
      })
    ))
})

describe("listing tokens", () => {
  it("over and over asks the host that is there, which ends some seconds after it was loaded", () =>
    withTestClock(
      Effect.gen(function* () {
        const { living, counted, reader, listing } = yield* bench()
        yield* listing.tokens(0)
        reader.tokens = ["one", "two"]
        for (let turn = 0; turn < 60; turn++) {
          expect(yield* listing.tokens(0)).toHaveLength(2)
          yield* passTime("100 millis")
        }
        expect(counted).toEqual({ most: 1, started: 1 })
        yield* passTime("10 seconds")
        expect(living.size).toBe(0)
      })
    ))

  it("asks the host that a token has; one that has something to do is left alone", () =>
    withTestClock(
      Effect.gen(function* () {
        const { counted, reader, listing } = yield* bench()
        yield* listing.tokens(0)
        yield* listing.takeHost
        yield* passTime("1 hour")
        expect(yield* listing.tokens(0)).toHaveLength(1)
        expect(counted.started).toBe(1)
        reader.isBusy = true
        expect(yield* listing.tokens(0)).toHaveLength(1)
        expect(counted.started).toBe(2)
      })
    ))

  it("loads the module anew for a token that is gone, once, and for one that is missed", () =>
    withTestClock(
      Effect.gen(function* () {
        const { counted, reader, listing } = yield* bench()
        reader.tokens = ["one", "two"]
        yield* listing.tokens(0)
        yield* listing.takeHost
        reader.tokens = ["one"]
        expect(yield* listing.tokens(0)).toHaveLength(1)
        expect(counted.started).toBe(2)
        expect(yield* listing.tokens(0)).toHaveLength(1)
        expect(counted.started).toBe(2)
        yield* listing.tokens(1000, "newHost")
        yield* listing.tokens(1000, "newHost")
        expect(counted.started).toBe(3)
      })
    ))
})
