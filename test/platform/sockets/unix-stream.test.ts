/** Served UNIX sockets without Node's own: real clients, whole messages, descriptors of many kinds. */
import { closeSync, openSync, readFileSync, rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { afterAll, describe, expect, it, onTestFinished } from "vitest"
import { type Accepted, adoptListener, listenUnix } from "../../../src/platform/native/unix-addon.ts"
import { UnixListener, UnixStream, Watcher } from "../../../src/platform/sockets/unix-stream.ts"
import { testDirectory } from "../../support/tls/pki.ts"

const dir = testDirectory()
afterAll(() => rmSync(dir, { recursive: true, force: true }))
let sockets = 0
const newPath = () => join(dir, `s${++sockets}.sock`)

interface Kit {
  readonly path: string
  readonly watcher: Watcher
  readonly next: () => Promise<{ readonly stream: UnixStream; readonly accepted: Accepted }>
  readonly stop: () => void
}

/** Listens until the test is over. */
const listening = (): Kit => {
  const path = newPath()
  const watcher = new Watcher()
  const descriptor = listenUnix(path)
  const arrived: Array<Accepted> = []
  const waiting: Array<(one: Accepted) => void> = []
  const onClient = (one: Accepted) => {
    const taker = waiting.shift()
    if (taker) taker(one)
    else arrived.push(one)
  }
  const listener = new UnixListener(watcher, descriptor, { onClient, onRefused: () => undefined })
  onTestFinished(() => {
    listener.stop()
    closeSync(descriptor)
    watcher.close()
  })
  const accepted = () =>
    new Promise<Accepted>((resolve) => {
      const one = arrived.shift()
      if (one) resolve(one)
      else waiting.push(resolve)
    })
  const next = async () => {
    const one = await accepted()
    const stream = new UnixStream(watcher, one.descriptor)
    onTestFinished(() => stream.close())
    return { stream, accepted: one }
  }
  return { path, watcher, next, stop: () => listener.stop() }
}

const client = (path: string): Socket => {
  const socket = connect({ path, allowHalfOpen: true }).on("error", () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}
const allOf = (socket: Socket) =>
  new Promise<Buffer>((resolve) => {
    const parts: Array<Buffer> = []
    socket.on("data", (part) => parts.push(part)).on("close", () => resolve(Buffer.concat(parts)))
    socket.on("end", () => socket.end())
  })
const readAll = (stream: UnixStream, limit = 1000) =>
  new Promise<Uint8Array | string>((resolve) => stream.readToEnd(limit, resolve))
const writeAll = (stream: UnixStream, bytes: Uint8Array) =>
  new Promise<string>((resolve) => stream.finish(bytes, resolve))

/** As the kernel has them; process.getgroups() adds the effective one. */
const supplementaryGroups = (): ReadonlyArray<number> =>
  (/^Groups:(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "")
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map(Number)
    .toSorted()

describe("a served UNIX socket", () => {
  it("names the process at its other end", async () => {
    const kit = listening()
    client(kit.path)
    const { accepted } = await kit.next()
    const { groups = [], ...peer } = accepted.peer ?? {}
    expect(peer).toEqual({ pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() })
    expect(groups.toSorted()).toEqual(supplementaryGroups())
  })

  it("reads a message that comes whole, and answers it", async () => {
    const kit = listening()
    const socket = client(kit.path)
    socket.end("a request")
    const answered = allOf(socket)
    const { stream } = await kit.next()
    expect(await readAll(stream)).toEqual(new Uint8Array(Buffer.from("a request")))
    expect(await writeAll(stream, Buffer.from("an answer"))).toBe("written")
    expect((await answered).toString()).toBe("an answer")
  })

  it("reads a message that comes in pieces", async () => {
    const kit = listening()
    const socket = client(kit.path)
    const { stream } = await kit.next()
    const read = readAll(stream)
    for (const piece of ["one ", "two ", "three"])
      await new Promise((resolve) => socket.write(piece, () => setTimeout(resolve, 5)))
    socket.end()
    expect(Buffer.from(await read).toString()).toBe("one two three")
  })

  it("reads what has the allowed length, and stops at more", async () => {
    const kit = listening()
    for (const [length, expected] of [
      [1000, 1000],
      [1001, "tooLong"]
    ] as const) {
      client(kit.path).end(Buffer.alloc(length))
      const read = await readAll((await kit.next()).stream)
      expect(typeof read === "string" ? read : read.length).toBe(expected)
    }
  })

  it("reads nothing from a client that goes away in silence", async () => {
    const kit = listening()
    const socket = client(kit.path)
    const { stream } = await kit.next()
    socket.destroy()
    expect(await readAll(stream)).toHaveLength(0)
  })

  it("writes more than the kernel takes at once, as its client reads", async () => {
    const kit = listening()
    const socket = client(kit.path)
    const { stream } = await kit.next()
    const bytes = Buffer.alloc(3_000_000, "x")
    const written = writeAll(stream, bytes)
    const answered = allOf(socket)
    expect(await written).toBe("written")
    expect((await answered).equals(bytes)).toBe(true)
  })

  it("reports a client that disconnects before it has read the response", async () => {
    const kit = listening()
    const socket = client(kit.path)
    const { stream } = await kit.next()
    const written = writeAll(stream, Buffer.alloc(3_000_000))
    socket.destroy()
    expect(await written).toBe("closed")
  })

  it("does not call back after it was closed", async () => {
    const kit = listening()
    const socket = client(kit.path)
    const { stream } = await kit.next()
    let calls = 0
    stream.readToEnd(10, () => calls++)
    stream.close()
    stream.close()
    await new Promise((resolve) => socket.on("close", resolve).end("late"))
    expect(calls).toBe(0)
  })

  it("is one of many that are open at once", async () => {
    const kit = listening()
    const clients = Array.from({ length: 200 }, () => client(kit.path))
    const streams = []
    for (const _ of clients) streams.push((await kit.next()).stream)
    const read = streams.map((stream) => readAll(stream))
    for (const [index, socket] of clients.entries()) socket.end(`${index}`)
    const texts = (await Promise.all(read)).map((one) => Buffer.from(one).toString())
    expect(texts.toSorted()).toEqual(clients.map((_, index) => `${index}`).toSorted())
  })
})

describe("a listening descriptor that was handed over", () => {
  it("is refused when it is a file, a TCP socket or not listening", async () => {
    const file = openSync(join(dir, "file"), "w")
    expect(() => adoptListener(file)).toThrow(expect.objectContaining({ code: "ENOTSOCK", syscall: "listen" }))
    closeSync(file)
    const tcp = createServer()
    await new Promise<void>((resolve) => void tcp.listen(0, "127.0.0.1", resolve))
    expect(() => adoptListener(descriptorOf(tcp))).toThrow(expect.objectContaining({ code: "EAFNOSUPPORT" }))
    tcp.close()
    const kit = listening()
    client(kit.path)
    const { accepted } = await kit.next()
    expect(() => adoptListener(accepted.descriptor)).toThrow(expect.objectContaining({ code: "EINVAL" }))
  })

  it("cannot be made at a path that is taken or too long", () => {
    const kit = listening()
    expect(() => listenUnix(kit.path)).toThrow(expect.objectContaining({ code: "EADDRINUSE", syscall: "listen" }))
    expect(() => listenUnix(`/${"x".repeat(200)}`)).toThrow(expect.objectContaining({ code: "ENAMETOOLONG" }))
  })
})

it("a thread that ends while it watches sockets takes nothing with it", async () => {
  const addon = join(process.env.TEDGE_ADDON_DIR ?? join(import.meta.dirname, "../../../dist"), "unix.node")
  const script = `
    const m = { exports: {} }; process.dlopen(m, ${JSON.stringify(addon)})
    const readiness = m.exports.openReadiness(() => undefined)
    m.exports.watch(readiness, m.exports.listen(${JSON.stringify(newPath())}), false)
    require("node:worker_threads").parentPort.postMessage("watching")
    setTimeout(() => process.exit(7), 10)`
  const worker = new Worker(script, { eval: true })
  expect(await new Promise((resolve) => worker.on("exit", resolve))).toBe(7)
})

const descriptorOf = (server: object): number => (server as { readonly _handle: { readonly fd: number } })._handle.fd
