/** What systemd is told. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { serviceManager } from "../../../src/actors/p11-server/manager-notifications.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"
import { notifySocket } from "../../support/notify-socket.ts"

describe("the service manager", () => {
  it("is notified of ready, reload, stop and status", async () => {
    const { path, until } = await notifySocket()
    const manager = serviceManager({ NOTIFY_SOCKET: path }, 7)
    await Effect.runPromise(
      Effect.all([manager.ready, manager.status("2 tokens\nREADY=0"), manager.reloading, manager.stopping])
    )
    const told = await until(4)
    expect(told).toEqual([
      "'READY=1'",
      "'STATUS=2 tokens READY=0'",
      expect.stringMatching(/^'RELOADING=1\\nMONOTONIC_USEC=\d+'$/),
      "'STOPPING=1'"
    ])
  })

  it("is notified twice in a watchdog period, and not while actors do not respond", async () => {
    const { path, until } = await notifySocket()
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
    expect(await until(4)).toEqual(["'WATCHDOG=1'", "'WATCHDOG=1'", "'WATCHDOG=1'", "'STOPPING=1'"])
  })

  it("is not notified if there is none, or none for this process", async () => {
    await Effect.runPromise(serviceManager({}, 7).ready)
    await Effect.runPromise(
      serviceManager({ WATCHDOG_USEC: "1000000", WATCHDOG_PID: "8" }, 7).watchdog(Effect.die("asked"))
    )
    await Effect.runPromise(serviceManager({ NOTIFY_SOCKET: "/nonexistent/socket" }, 7).ready)
  })
})
