/** Socket mode against services that are not there, old, silent, or something else altogether. */
import { createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { Effect, Fiber, Redacted, Result, type Scope } from "effect"
import { describe, expect, it, vi } from "vitest"
import { defaultSocketLimits } from "../../../../src/actors/cryptoki/remote/socket-client.ts"
import { socketCryptokiBehaviour } from "../../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { decodeFrame, encodeFrame, type Frame } from "../../../../src/messages/wire/frame1.ts"
import { start } from "../../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../../src/runtime/protocol.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"

interface Kit {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** What the service was asked, pings included. */
  readonly asked: ReadonlyArray<Frame>
  readonly socketPath: string
  /** Connections the service still has open. */
  readonly open: () => number
}

/** How a service treats a connection once it has the request. */
type Treat = (socket: Socket, request: Frame) => void

const reply =
  (answer: (request: Frame) => Frame | Uint8Array): Treat =>
  (socket, request) => {
    const made = request._tag === "Ping" ? ({ _tag: "Pong" } as const) : answer(request)
    socket.end(made instanceof Uint8Array ? made : encodeFrame(made))
  }

const listening = (server: Server, path: string) => new Promise<void>((resolve) => void server.listen(path, resolve))

/** Socket mode and a service the test plays itself; without `treat` nothing listens. */
const against = (
  treat: Treat | undefined,
  body: (kit: Kit) => Effect.Effect<void, unknown, Scope.Scope>,
  { signMs = 60_000, wakesService }: { readonly signMs?: number; readonly wakesService?: boolean } = {}
) =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(Effect.sync(makeTempDir), (made) => Effect.sync(() => removeTempDir(made)))
    const socketPath = join(dir, "s.sock")
    const asked: Array<Frame> = []
    const sockets = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      const chunks: Array<Buffer> = []
      socket.on("error", () => undefined)
      socket.on("close", () => sockets.delete(socket))
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("end", () => {
        const request = Result.getOrThrow(decodeFrame(Buffer.concat(chunks)))
        asked.push(request)
        treat?.(socket, request)
      })
    })
    if (treat) yield* Effect.promise(() => listening(server, socketPath))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
    )
    const limits = { ...defaultSocketLimits, pingMs: signMs, signMs }
    const latches = { directory: "/nowhere", owner: undefined }
    const behaviour = socketCryptokiBehaviour({ socketPath, limits, latches, ...(wakesService && { wakesService }) })
    const cryptoki = yield* start({
      name: "cryptoki",
      mailbox: { capacity: 16, overflow: { policy: "refuse" } },
      behaviour
    })
    yield* body({ cryptoki, asked, socketPath, open: () => sockets.size })
  }).pipe(Effect.scoped, Effect.runPromise)

const pin = Redacted.make("123456")
const key = { uri: { token: "t", pinValue: Redacted.make("9876") }, pin }
const signature = Uint8Array.of(1, 2, 3)
const sign = ({ cryptoki }: Kit, scheme?: "ecdsa_secp256r1_sha256" | "rsa_pss_rsae_sha512") =>
  Effect.map(
    cryptoki.ask("Sign", { key, scheme, message: Uint8Array.of(7) }, { within: "30 seconds" }),
    (signed) => signed.signature
  )
const refusalOf = (kit: Kit) => Effect.flip(sign(kit))

describe("socket mode", () => {
  it("wakes the service up with a ping, and sends the PIN of the URI where the PIN goes", () =>
    against(
      reply(() => ({ _tag: "SignResponse", signature })),
      (kit) =>
        Effect.gen(function* () {
          expect(yield* sign(kit, "ecdsa_secp256r1_sha256")).toEqual(signature)
          expect(kit.asked.map((frame) => frame._tag)).toEqual(["Ping", "SignRequestWithSigScheme"])
          const [, request] = kit.asked
          expect(request).toMatchObject({ uri: "pkcs11:token=t", scheme: "ecdsa_secp256r1_sha256" })
          expect(request && "pin" in request && request.pin && Redacted.value(request.pin)).toBe("9876")
        })
    ))

  it("in a mapper, wakes the service up before there is anything to sign", () =>
    against(
      reply(() => ({ _tag: "SignResponse", signature })),
      ({ asked }) =>
        Effect.gen(function* () {
          yield* Effect.promise(() => vi.waitUntil(() => asked.length > 0, 30_000))
          expect(asked).toEqual([{ _tag: "Ping" }])
        }),
      { wakesService: true }
    ))

  it("falls back to what a service without schemes understands", () =>
    against(
      reply((request) =>
        request._tag === "SignRequest"
          ? { _tag: "SignResponse", signature }
          : { _tag: "Error", message: "Failed to parse the received frame: unknown variant" }
      ),
      (kit) =>
        Effect.gen(function* () {
          expect(yield* sign(kit, "ecdsa_secp256r1_sha256")).toEqual(signature)
        })
    ))

  it("does not ask a signature the protocol has no name for", () =>
    against(
      reply(() => ({ _tag: "SignResponse", signature })),
      (kit) =>
        Effect.gen(function* () {
          expect(yield* Effect.flip(sign(kit, "rsa_pss_rsae_sha512"))).toMatchObject({ _tag: "SchemeNotSupported" })
          expect(kit.asked).toEqual([])
        })
    ))

  it("offers only schemes the protocol has a name for, and takes no other", () =>
    against(
      reply(() => ({ _tag: "ChooseSchemeResponse", scheme: 0x0806, algorithm: 1 })),
      (kit) =>
        Effect.gen(function* () {
          const offered = ["rsa_pss_rsae_sha512", "rsa_pss_rsae_sha256"] as const
          const chosen = kit.cryptoki.ask("ChooseScheme", { offered, key }, { within: "30 seconds" })
          expect(yield* Effect.flip(chosen)).toMatchObject({ _tag: "SigningServiceResponseInvalid" })
          expect(kit.asked[1]).toMatchObject({ offered: [0x0804] })
        })
    ))

  it("passes on what the service says, as one line", () =>
    against(
      reply(() => ({ _tag: "Error", message: `no\n\u001b[31mred${"x".repeat(5000)}` })),
      (kit) =>
        Effect.gen(function* () {
          const refusal = yield* refusalOf(kit)
          expect(refusal).toMatchObject({
            _tag: "SigningServiceRefused",
            message: expect.stringMatching(/^no \[31mredx+\.\.\.$/)
          })
        })
    ))

  it.each([
    ["another answer", encodeFrame({ _tag: "Pong" })],
    ["garbage", Uint8Array.from(Buffer.from("HTTP/1.1 400 Bad Request"))],
    ["more than 1 MiB", new Uint8Array(2 * 1024 * 1024)]
  ])("refuses %s as invalid", (_, bytes) =>
    against(
      reply(() => bytes),
      (kit) =>
        Effect.gen(function* () {
          expect(yield* refusalOf(kit)).toMatchObject({
            _tag: "SigningServiceResponseInvalid",
            socketPath: kit.socketPath
          })
        })
    )
  )

  it("says when the service closes without an answer", () =>
    against(
      (socket) => socket.destroy(),
      (kit) =>
        Effect.gen(function* () {
          expect(yield* refusalOf(kit)).toMatchObject({ _tag: "SigningServiceUnreachable", reason: "closedEarly" })
        })
    ))

  it("says when the service ends in the middle of its answer, wherever that is", () => {
    const answer = encodeFrame({ _tag: "SignResponse", signature })
    let sent = 0
    return against(
      reply(() => answer.subarray(0, sent)),
      (kit) =>
        Effect.gen(function* () {
          for (sent = 1; sent < answer.length; sent++)
            expect(yield* refusalOf(kit)).toMatchObject({ _tag: "SigningServiceUnreachable", reason: "closedEarly" })
          expect(yield* sign(kit)).toEqual(signature)
        })
    )
  })

  it("says when the service is silent, after its time limit", () =>
    against(
      () => undefined,
      (kit) =>
        Effect.gen(function* () {
          expect(yield* refusalOf(kit)).toMatchObject({ _tag: "SigningServiceUnreachable", reason: "silent" })
        }),
      { signMs: 150 }
    ))

  it("reports that no server listens", () =>
    against(undefined, (kit) =>
      Effect.gen(function* () {
        expect(yield* refusalOf(kit)).toMatchObject({ _tag: "SigningServiceUnreachable", reason: "missing" })
      })
    ))

  it("answers a ping itself while the service is silent", () =>
    against(
      () => undefined,
      (kit) => kit.cryptoki.ask("Ping", undefined, { within: "30 seconds" })
    ))

  it("closes the connection when the asker gives up", () => {
    // A service that keeps writing detects the disconnect.
    const babble: Treat = (socket, request) => {
      if (request._tag === "Ping") socket.end(encodeFrame({ _tag: "Pong" }))
      else {
        const babbling = setInterval(() => socket.write("x"), 5)
        socket.on("close", () => clearInterval(babbling))
      }
    }
    return against(babble, (kit) =>
      Effect.gen(function* () {
        const asking = yield* Effect.forkChild(kit.cryptoki.ask("PublicKey", { key }, { within: "1 minute" }))
        while (kit.asked.length < 2) yield* nextTurn
        yield* Fiber.interrupt(asking)
        while (kit.open() > 0) yield* nextTurn
      })
    )
  })
})

const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
