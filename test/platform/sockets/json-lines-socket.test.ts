/** The server of JSON lines and clients that do not behave. */
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createConnection, createServer, Server, type Socket } from "node:net"
import { dirname, join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest"
import { askJsonLine, serveJsonLines } from "../../../src/platform/sockets/json-lines-socket.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"

let dir: string
let path: string

beforeEach(() => {
  dir = makeTempDir()
  path = join(dir, "run/tedge-actors/service.sock")
})
afterEach(() => {
  vi.useRealTimers()
  removeTempDir(dir)
})

/** Answers each line with itself. */
const serve = async () => {
  const scope = Scope.makeUnsafe()
  await Effect.runPromise(Scope.provide(serveJsonLines(path, Effect.succeed, "too many"), scope))
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  onTestFinished(close)
  return close
}

const ask = () => Effect.runPromise(askJsonLine(path, "hello"))

const client = async (): Promise<Socket> => {
  const socket = createConnection(path).on("error", () => {})
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once("connect", resolve))
  return socket
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.resume().once("close", () => resolve()))

/** What no process listens at any more, as one that was killed leaves it. */
const leaveSocket = async () => {
  mkdirSync(dirname(path), { recursive: true })
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}.alive`, resolve))
  renameSync(`${path}.alive`, path)
  await new Promise((resolve) => server.close(resolve))
}

describe("the socket", () => {
  it("is for its user and group, and gone at the end", async () => {
    const close = await serve()
    const { mode, uid, gid } = statSync(path)
    expect([mode & 0o777, uid, gid]).toEqual([0o660, process.getuid?.(), process.getgid?.()])
    await close()
    expect(existsSync(path)).toBe(false)
  })

  it("takes the place of one that was left over, or of a file", async () => {
    await leaveSocket()
    const close = await serve()
    expect(await ask()).toBe("hello")
    await close()
    writeFileSync(path, "")
    await serve()
    expect(await ask()).toBe("hello")
  })

  it("stays when clients cannot be accepted for lack of memory", async () => {
    const listening = vi.spyOn(Server.prototype, "listen")
    onTestFinished(() => listening.mockRestore())
    await serve()
    for (const server of listening.mock.contexts)
      for (let n = 0; n < 3; n += 1) (server as Server).emit("error", new Error("accept ENOMEM"))
    expect(await ask()).toBe("hello")
  })

  it("does not take the place of one that answers", async () => {
    await serve()
    await expect(serve()).rejects.toThrow(`another process listens at ${path}`)
    expect(await ask()).toBe("hello")
  })

  it("is not made under the beginning of a path that is too long", async () => {
    const place = join(dir, "run/tedge-actors")
    path = join(place, `${"a".repeat(107 - place.length)}.sock`)
    await expect(serve()).rejects.toThrow("the path has 113 bytes; the maximum is 107")
    expect(existsSync(place)).toBe(false)
  })

  it("is not looked for under the beginning of a path that is too long", async () => {
    const place = join(dir, "run/tedge-actors")
    path = join(place, "a".repeat(106 - place.length))
    await serve()
    expect(await ask()).toBe("hello")
    path += "a"
    await expect(ask()).rejects.toThrow("ENAMETOOLONG")
  })

  it("cannot be made where no directory can be", async () => {
    writeFileSync(join(dir, "run"), "")
    await expect(serve()).rejects.toThrow(/ENOTDIR|EEXIST/)
  })
})

describe("an answer", () => {
  it("without end is read up to a limit, and said to be too long", async () => {
    mkdirSync(dirname(path), { recursive: true })
    const server = createServer((socket) => void socket.on("error", () => {}).end(Buffer.alloc(2_000_000, "x")))
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await expect(ask()).rejects.toThrow("tooLong")
  })
})

describe("a client", () => {
  it("that sends a line without end is cut off", async () => {
    await serve()
    const socket = await client()
    const end = closed(socket)
    for (let n = 0; n < 64 && !socket.destroyed; n += 1) socket.write("x".repeat(1024))
    await end
    expect(await ask()).toBe("hello")
  })

  it("that asks nothing is cut off after 10 s, also one that sends a byte now and then", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    await serve()
    const [silent, trickling] = [await client(), await client()]
    // Both were accepted when a later client is answered.
    expect(await ask()).toBe("hello")
    const ends = Promise.all([closed(silent), closed(trickling)])
    vi.advanceTimersByTime(9_000)
    trickling.write("x")
    expect(await ask()).toBe("hello")
    vi.advanceTimersByTime(1_000)
    await ends
  })

  it("of a hundred at once is served, or refused as too many; later ones are served", async () => {
    await serve()
    const answers = await Promise.all(Array.from({ length: 100 }, ask))
    expect(answers.every((answer) => answer === "hello" || answer === "too many")).toBe(true)
    expect(answers).toContain("hello")
    expect(await ask()).toBe("hello")
  })

  it("that goes in the middle of its answer, or before it, harms no other", async () => {
    await serve()
    for (let n = 0; n < 50; n += 1) {
      const socket = await client()
      if (n % 2 === 0) socket.write("a question\n")
      socket.destroy()
    }
    await vi.waitFor(async () => expect(await ask()).toBe("hello"), 30_000)
  })
})
