/** The way through an HTTP proxy, against proxies that answer well, badly, slowly and without end. */
import { createServer, type Socket } from "node:net"
import { Effect, Redacted, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { dial } from "../../../../src/actors/mqtt/dial/dial.ts"
import { TlsTickets } from "../../../../src/actors/mqtt/dial/resumption.ts"
import { stopwatch } from "../../../../src/actors/mqtt/dial/stopwatch.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import type { Target } from "../../../../src/messages/mqtt.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { fakeToken } from "../../../../src/testing/fake-token.ts"

/** A proxy that reads one request and does as it is told. */
const startProxy = (onRequest: (socket: Socket, request: string) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ port: number; close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).once("data", (data) => onRequest(socket, String(data)))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const dialThrough = (port: number, overrides: Partial<Target> = {}) =>
  Effect.gen(function* () {
    const cryptoki = yield* start<CryptokiProtocol, never, never>({
      name: "cryptoki",
      mailbox: { capacity: 1, overflow: { policy: "refuse" } },
      behaviour: fakeToken().behaviour
    })
    const target: Target = {
      host: "cloud.example",
      port: 8883,
      clientId: "x",
      keepalive: 60,
      cleanSession: true,
      connectWithinMs: 60_000,
      proxy: { url: `http://127.0.0.1:${port}`, username: "user", password: Redacted.make("pass:word") },
      ...overrides
    }
    const { stream } = yield* dial(target, { cryptoki, stopwatch: stopwatch(), tickets: new TlsTickets() })
    return stream
  })

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const ok = "HTTP/1.1 200 Connection established\r\n\r\n"

describe("a tunnel through a proxy", () => {
  it("is asked for by host and port, with the credentials, and loses nothing that follows the answer", () =>
    run(
      Effect.gen(function* () {
        let asked = ""
        const proxy = yield* startProxy((socket, request) => {
          asked = request
          // The first byte of the broker's comes in the same segment.
          socket.write(`${ok}first`)
          socket.on("data", (data) => socket.write(`echo ${data}`))
        })
        const stream = yield* dialThrough(proxy.port)
        expect(asked.split("\r\n")).toEqual([
          "CONNECT cloud.example:8883 HTTP/1.1",
          "Host: cloud.example:8883",
          `Proxy-Authorization: Basic ${Buffer.from("user:pass:word").toString("base64")}`,
          "",
          ""
        ])
        let text = ""
        yield* Effect.callback<void>((resume) => {
          stream.on("data", (data) => {
            text += String(data)
            if (text === "first") stream.write("hello")
            if (text === "firstecho hello") resume(Effect.void)
          })
        })
      })
    ))

  it("is asked for with brackets around an IPv6 address", () =>
    run(
      Effect.gen(function* () {
        let asked = ""
        const proxy = yield* startProxy((socket, request) => {
          asked = request
          socket.write(ok)
        })
        yield* dialThrough(proxy.port, { host: "::1" })
        expect(asked).toMatch(/^CONNECT \[::1\]:8883 HTTP/)
      })
    ))

  it.each([
    ["a refusal", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"],
    ["something else than HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "it does not speak HTTP"],
    ["an answer without end", "HTTP/1.1 200 OK\r\nX: ".padEnd(20_000, "x"), "its answer has no end"]
  ])("tells %s", (_what, answer, detail) =>
    run(
      Effect.gen(function* () {
        const proxy = yield* startProxy((socket) => socket.write(answer))
        const failure = yield* Effect.flip(dialThrough(proxy.port))
        expect(failure).toMatchObject({ _tag: "DialFailed", code: "proxy", host: "cloud.example" })
        expect(failure).toHaveProperty("detail", `http://127.0.0.1:${proxy.port}: ${detail}`)
      })
    )
  )

  it("reports that the proxy closed the connection, or is missing", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* startProxy((socket) => socket.end())
        const hungUp = yield* Effect.flip(dialThrough(proxy.port))
        expect(hungUp).toMatchObject({ _tag: "DialFailed", code: "proxy" })
        expect(JSON.stringify(hungUp)).toContain("it closed the connection")
        proxy.close()
        const absent = yield* Effect.flip(dialThrough(proxy.port))
        expect(absent).toMatchObject({ _tag: "DialFailed", code: "proxy" })
        expect(JSON.stringify(absent)).toContain("ECONNREFUSED")
      })
    ))
})
