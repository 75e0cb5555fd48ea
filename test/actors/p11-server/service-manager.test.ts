/** What systemd is told. The receiving end is a socket of Python's, because Node has no UNIX datagrams. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { serviceManager } from "../../../src/actors/p11-server/service-manager.ts"
import { tempDir } from "../../support/temp-dir.ts"
import { passTime, withTestClock } from "../../support/test-clock.ts"

const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(repr(s.recv(4096).decode()), flush=True)
`

/** A service manager that notes what it is told. */
const notified = async () => {
  const path = join(tempDir(), "notify")
  const child: ChildProcess = spawn("python3", ["-c", receiver, path], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const lines: Array<string> = []
  let wake = () => {}
  child.stdout?.on("data", (chunk: Buffer) => {
    lines.push(...chunk.toString().trim().split("\n"))
    wake()
  })
  const until = async (count: number) => {
    while (lines.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return lines.slice(1)
  }
  await until(1)
  return { path, until }
}

describe("the service manager", () => {
  it("is told that we are ready, reload, stop, and how we are", async () => {
    const { path, until } = await notified()
    const manager = serviceManager({ NOTIFY_SOCKET: path }, 7)
    await Effect.runPromise(
      Effect.all([manager.ready, manager.status("2 tokens\nREADY=0"), manager.reloading, manager.stopping])
    )
    const told = await until(5)
    expect(told).toEqual([
      "'READY=1'",
      "'STATUS=2 tokens READY=0'",
      expect.stringMatching(/^'RELOADING=1\\nMONOTONIC_USEC=\d+'$/),
      "'STOPPING=1'"
    ])
  })

  it("is told twice in a watchdog period that we live, and nothing while we do not answer", async () => {
    const { path, until } = await notified()
    const manager = serviceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "10000000", WATCHDOG_PID: "7" }, 7)
    let isAlive = true
    await withTestClock(
      Effect.gen(function* () {
        const alive = Effect.suspend(() => (isAlive ? Effect.void : Effect.fail("silent")))
        const beating = yield* Effect.forkChild(manager.watchdog(alive))
        yield* passTime("11 seconds")
        isAlive = false
        yield* passTime("30 seconds")
        yield* Fiber.interrupt(beating)
        yield* manager.stopping
      })
    )
    expect(await until(5)).toEqual(["'WATCHDOG=1'", "'WATCHDOG=1'", "'WATCHDOG=1'", "'STOPPING=1'"])
  })

  it("is left alone where there is none, or none for us", async () => {
    await Effect.runPromise(serviceManager({}, 7).ready)
    await Effect.runPromise(
      serviceManager({ WATCHDOG_USEC: "1000000", WATCHDOG_PID: "8" }, 7).watchdog(Effect.die("asked"))
    )
    await Effect.runPromise(serviceManager({ NOTIFY_SOCKET: "/nonexistent/socket" }, 7).ready)
  })
})
