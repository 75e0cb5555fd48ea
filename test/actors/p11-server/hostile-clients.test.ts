/** Clients that are silent, slow, endless or gone: each is aborted, without an effect on others. */
import { Effect, Fiber, Result } from "effect"
import { describe, expect, it } from "vitest"
import type { P11ServerStatus } from "../../../src/messages/p11-server.ts"
import { decodeFrame, encodeFrame } from "../../../src/messages/wire/frame1.ts"
import { ask, rawClient, type Served, withServed } from "./served.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const
const signs = (kit: Served) => Effect.promise(() => ask(kit.socketPath, signRequest))
/** Asks for the status until it is as wanted. */
const untilStatus = (kit: Served, wanted: (status: P11ServerStatus) => boolean) =>
  Effect.repeat(kit.server.ask("Status", undefined, { within: "30 seconds" }), { until: wanted })
/** Why clients were cut so far. */
const cuts = (kit: Served) => kit.events.flatMap((event) => (event._tag === "ClientAborted" ? [event.reason] : []))
/** Resolves when so many were cut. */
const untilCut = (kit: Served, count: number) =>
  Effect.promise(async () => {
    while (cuts(kit).length < count) await new Promise((resolve) => setImmediate(resolve))
  })

describe("the signing service", () => {
  it("cuts a client that says nothing, and serves others meanwhile", () =>
    withServed({ limits: { readMs: 2_000 } }, (kit) =>
      Effect.gen(function* () {
        const silent = rawClient(kit.socketPath)
        for (let turn = 0; turn < 5; turn++) expect(yield* signs(kit)).toMatchObject({ _tag: "SignResponse" })
        yield* Effect.promise(() => silent.received)
        yield* untilCut(kit, 1)
        expect(cuts(kit)).toEqual(["silent"])
      })
    ))

  it("cuts a client that sends a byte now and then", () =>
    withServed({ limits: { readMs: 250 } }, (kit) =>
      Effect.gen(function* () {
        const slow = rawClient(kit.socketPath)
        const drip = setInterval(() => slow.socket.write(Buffer.of(0)), 20)
        yield* Effect.promise(() => slow.received)
        clearInterval(drip)
        yield* untilCut(kit, 1)
        expect(cuts(kit)).toEqual(["silent"])
      })
    ))

  it("cuts a client whose request has no end, at 64 KiB", () =>
    withServed({ limits: { readMs: 60_000 } }, (kit) =>
      Effect.gen(function* () {
        const endless = rawClient(kit.socketPath)
        endless.socket.write(Buffer.alloc(10 * 1024 * 1024))
        yield* untilCut(kit, 1)
        expect(cuts(kit)).toEqual(["tooLong"])
        expect(yield* signs(kit)).toMatchObject({ _tag: "SignResponse" })
        endless.socket.destroy()
      })
    ))

  it.each([70_000, 200_000, 900_000])("tells a client whose request has %i bytes why it is cut", (length) =>
    withServed({ limits: { readMs: 60_000 } }, (kit) =>
      Effect.gen(function* () {
        const long = rawClient(kit.socketPath)
        const errors: Array<Error> = []
        long.socket.on("error", (error) => errors.push(error)).end(Buffer.alloc(length))
        const answer = decodeFrame(yield* Effect.promise(() => long.received))
        expect(Result.getOrThrow(answer)).toMatchObject({ _tag: "Error", message: expect.stringContaining("too-long") })
        expect(errors).toEqual([])
        yield* untilCut(kit, 1)
        expect(cuts(kit)).toEqual(["tooLong"])
      })
    )
  )

  it("takes a request of 64 KiB", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const overhead = encodeFrame({ ...signRequest, toSign: new Uint8Array(60_000) }).length - 60_000
        const toSign = new Uint8Array(64 * 1024 - overhead)
        expect(yield* Effect.promise(() => ask(kit.socketPath, { ...signRequest, toSign }))).toMatchObject({
          _tag: "SignResponse"
        })
      })
    ))

  it("cuts a client that never reads its answer", () =>
    withServed({ limits: { writeMs: 250 } }, (kit) =>
      Effect.gen(function* () {
        for (let key = 0; key < 1500; key++)
          kit.token.addKey(`a label of some length ${"x".repeat(60)}`, key.toString(16).padStart(8, "0"))
        const deaf = rawClient(kit.socketPath, { reads: false })
        deaf.socket.end(encodeFrame({ _tag: "ListKeysRequest", uri: undefined, pin: undefined }))
        yield* untilCut(kit, 1)
        expect(cuts(kit)).toEqual(["notReading"])
        deaf.socket.destroy()
      })
    ))

  it("survives clients that go away at any moment", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        kit.token.state.latencyMs = 5
        const bytes = encodeFrame(signRequest)
        for (let length = 0; length <= bytes.length; length++) {
          const client = rawClient(kit.socketPath)
          if (length === bytes.length) client.socket.end(bytes, () => client.socket.destroy())
          else client.socket.write(bytes.subarray(0, length), () => client.socket.destroy())
          yield* Effect.promise(() => client.received)
        }
        expect(yield* signs(kit)).toMatchObject({ _tag: "SignResponse" })
        const status = yield* untilStatus(kit, ({ connections }) => connections === 0)
        expect(status.connections).toBe(0)
      })
    ))

  it("refuses clients beyond its limit as busy, and accepts the next when one has disconnected", () =>
    withServed({ limits: { connections: 3, readMs: 10_000 } }, (kit) =>
      Effect.gen(function* () {
        const silent = [rawClient(kit.socketPath), rawClient(kit.socketPath), rawClient(kit.socketPath)]
        yield* untilStatus(kit, ({ connections }) => connections === 3)
        expect(yield* signs(kit)).toMatchObject({ _tag: "Error", message: "too many connections; try again" })
        silent[0]?.socket.destroy()
        yield* untilStatus(kit, ({ connections }) => connections === 2)
        expect(yield* signs(kit)).toMatchObject({ _tag: "SignResponse" })
        for (const { socket } of silent) socket.destroy()
      })
    ))

  it("leaves room for others when one user takes all it may", () => {
    // Neither root nor the service's own user, who is often 1000: those two always have room.
    let uid = (process.getuid?.() ?? 0) + 1000
    const clientOf = () => ({ uid, gid: uid, pid: 1 })
    return withServed({ limits: { connectionsPerUser: 2, readMs: 10_000 }, spec: { clientOf } }, (kit) =>
      Effect.gen(function* () {
        const greedy = [rawClient(kit.socketPath), rawClient(kit.socketPath)]
        yield* untilStatus(kit, ({ connections }) => connections === 2)
        expect(yield* signs(kit)).toMatchObject({ _tag: "Error", message: "too many connections; try again" })
        uid += 1
        expect(yield* signs(kit)).toMatchObject({ _tag: "SignResponse" })
        for (const { socket } of greedy) socket.destroy()
      })
    )
  })

  it("serves many at once, while the token is slow", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        kit.token.state.hang = true
        const asked = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 50 }, () => signs(kit)),
            { concurrency: "unbounded" }
          )
        )
        yield* untilStatus(kit, ({ answering }) => answering === 50)
        kit.token.state.hang = false
        const answers = yield* Fiber.join(asked)
        expect(answers.every((answer) => answer._tag === "SignResponse")).toBe(true)
      })
    ))

  it("answers a ping while the token hangs", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        kit.token.state.hang = true
        const waiting = yield* Effect.forkChild(signs(kit))
        expect(yield* Effect.promise(() => ask(kit.socketPath, { _tag: "Ping" }))).toEqual({ _tag: "Pong" })
        kit.token.state.hang = false
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "SignResponse" })
      })
    ))
})

describe("the signing service when it stops", () => {
  it("sends the answers it owes and cuts those who have not asked", async () => {
    let waiting: Promise<unknown> = Promise.resolve()
    let silent = rawClient("/nonexistent")
    await withServed({ limits: { readMs: 60_000 } }, (kit) =>
      Effect.gen(function* () {
        kit.token.state.latencyMs = 2_000
        silent = rawClient(kit.socketPath)
        waiting = ask(kit.socketPath, signRequest)
        yield* untilStatus(kit, ({ connections, answering }) => connections === 2 && answering === 1)
      })
    )
    expect(await waiting).toMatchObject({ _tag: "SignResponse" })
    expect((await silent.received).length).toBe(0)
  })

  it("does not wait for a token that hangs longer than it may drain", async () => {
    let client = rawClient("/nonexistent")
    await withServed({ spec: { drainMs: 100 } }, (kit) =>
      Effect.gen(function* () {
        kit.token.state.hang = true
        client = rawClient(kit.socketPath)
        client.socket.end(encodeFrame(signRequest))
        yield* untilStatus(kit, ({ answering }) => answering === 1)
        setTimeout(() => {
          kit.token.state.hang = false
        }, 1000)
      })
    )
    expect((await client.received).length).toBe(0)
  })
})
