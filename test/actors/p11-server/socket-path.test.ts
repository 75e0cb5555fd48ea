/** The socket file: made right from its first instant, never in another's way, never another's removed. */
import { spawn, spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { listenOnPath } from "../../../src/actors/p11-server/socket-path.ts"
import type { P11ServerEvent } from "../../../src/messages/p11-server.ts"
import { encodeFrame } from "../../../src/messages/wire/frame1.ts"
import type { Accepted } from "../../../src/platform/native/unix-addon.ts"
import { UnixListener, UnixStream, Watcher } from "../../../src/platform/sockets/unix-stream.ts"
import { tempDir } from "../../support/temp-dir.ts"

const events: Array<P11ServerEvent> = []
const publish = (event: P11ServerEvent) => Effect.sync(() => void events.push(event))

/** Listens until the returned function is called. Clients get a Pong. */
const listen = async (path: string, mode?: number) => {
  const scope = await Effect.runPromise(Scope.make())
  const listening = Effect.gen(function* () {
    const descriptor = yield* listenOnPath({ path, publish, ...(mode === undefined ? {} : { mode }) })
    const watcher = yield* Effect.acquireRelease(
      Effect.sync(() => new Watcher()),
      (made) => Effect.sync(() => made.close())
    )
    const onClient = (client: Accepted) => {
      const stream = new UnixStream(watcher, client.descriptor)
      stream.readToEnd(100, () => stream.finish(encodeFrame({ _tag: "Pong" }), () => undefined))
    }
    new UnixListener(watcher, descriptor, { onClient, onRefused: () => undefined })
  })
  await Effect.runPromise(Scope.provide(listening, scope)).catch(async (error) => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    throw error
  })
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
const refusal = (path: string) =>
  listen(path).then(
    () => undefined,
    (error) => error
  )

/** A stale socket file, as SIGKILL leaves it. */
const staleSocket = (path: string) => {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`
  spawnSync(process.execPath, ["-e", script])
}

describe("the signing service's socket", () => {
  it("is made with its parents and removed at the end, and leaves only the lock", async () => {
    const dir = tempDir()
    const stop = await listen(join(dir, "a/b/s.sock"))
    expect(statSync(join(dir, "a/b/s.sock")).isSocket()).toBe(true)
    expect(readFileSync(join(dir, "a/b/s.sock.lock"), "utf8")).toBe(`${process.pid}`)
    await stop()
    expect(readdirSync(join(dir, "a/b"))).toEqual(["s.sock.lock"])
  })

  it("has the mode that was asked for, whatever the umask, and leaves the umask alone", async () => {
    const dir = tempDir()
    const before = process.umask(0o022)
    try {
      const stop = await listen(join(dir, "s.sock"), 0o660)
      expect(statSync(join(dir, "s.sock")).mode & 0o777).toBe(0o660)
      expect(process.umask()).toBe(0o022)
      await stop()
    } finally {
      process.umask(before)
    }
  })

  it("is refused by name when the path is too long", async () => {
    const path = join(tempDir(), `${"x".repeat(108)}.sock`)
    expect(await refusal(path)).toMatchObject({ _tag: "ListenFailed", reason: "tooLong", path })
  })

  it("is refused when another instance holds the lock", async () => {
    const path = join(tempDir(), "s.sock")
    const stop = await listen(path)
    expect(await refusal(path)).toMatchObject({ reason: "inUse", detail: `${process.pid}` })
    expect(existsSync(path)).toBe(true)
    await stop()
  })

  it("is refused when a service without a lock answers there", async () => {
    const path = join(tempDir(), "s.sock")
    const other = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on("end", () => socket.end(encodeFrame({ _tag: "Pong" })))
    })
    await new Promise<void>((resolve) => void other.listen(path, resolve))
    expect(await refusal(path)).toMatchObject({ reason: "inUse" })
    other.close()
  })

  it("is refused when a service there accepts and never answers, which keeps its socket", async () => {
    const path = join(tempDir(), "s.sock")
    const other = createServer({ allowHalfOpen: true })
    await new Promise<void>((resolve) => void other.listen(path, resolve))
    const { ino } = statSync(path)
    expect(await refusal(path)).toMatchObject({ reason: "inUse" })
    expect(statSync(path).ino).toBe(ino)
    other.close()
  })

  it("is refused when a service there does not even accept, and has as many waiting as may", async () => {
    const path = join(tempDir(), "s.sock")
    // Python: Node accepts by itself.
    const script =
      "import socket,sys;s=socket.socket(1);s.bind(sys.argv[1]);s.listen(0);print(1,flush=True);sys.stdin.read()"
    const other = spawn("python3", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] })
    onTestFinished(() => void other.kill())
    await new Promise((resolve) => other.stdout.once("data", resolve))
    const waiting = connect(path)
    await new Promise((resolve) => waiting.once("connect", resolve))
    expect(await refusal(path)).toMatchObject({ reason: "inUse" })
    waiting.destroy()
  })

  it("takes the place of a stale socket and says so", async () => {
    const path = join(tempDir(), "s.sock")
    staleSocket(path)
    expect(statSync(path).isSocket()).toBe(true)
    events.length = 0
    const stop = await listen(path)
    expect(events).toEqual([{ _tag: "StaleSocketRemoved", path }])
    await stop()
  })

  it.each(["directory", "file", "symbolic link"])("is refused where a %s lies, which stays", async (kind) => {
    const path = join(tempDir(), "s.sock")
    if (kind === "directory") mkdirSync(path)
    else if (kind === "file") writeFileSync(path, "precious")
    else symlinkSync("/dev/null", path)
    expect(await refusal(path)).toMatchObject({ reason: "notASocket", detail: kind })
    expect(existsSync(path)).toBe(true)
  })

  it("is refused where the directory cannot be made", async () => {
    const dir = tempDir()
    writeFileSync(join(dir, "file"), "")
    expect(await refusal(join(dir, "file/s.sock"))).toMatchObject({ reason: "noDirectory" })
    symlinkSync(join(dir, "nowhere"), join(dir, "dangling"))
    expect(await refusal(join(dir, "dangling/s.sock"))).toMatchObject({ reason: "noDirectory" })
    expect(await refusal("/proc/nowhere/s.sock")).toMatchObject({ reason: "noDirectory" })
  })

  it("is left alone when it is a successor's", async () => {
    const dir = tempDir()
    const path = join(dir, "s.sock")
    const stop = await listen(path)
    const successor = createServer()
    await new Promise<void>((resolve) => void successor.listen(join(dir, "new.sock"), resolve))
    renameSync(join(dir, "new.sock"), path)
    await stop()
    expect(existsSync(path)).toBe(true)
    successor.close()
  })

  it("is refused in a directory this user may not write to", async () => {
    const dir = tempDir()
    mkdirSync(join(dir, "locked"))
    chmodSync(join(dir, "locked"), 0o500)
    const outcome = await refusal(join(dir, "locked/s.sock"))
    // Root may write anywhere.
    expect(process.getuid?.() === 0 || outcome.reason === "noPermission").toBe(true)
  })
})
