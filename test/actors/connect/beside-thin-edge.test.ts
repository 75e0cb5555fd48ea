/** ConnectActor beside thin-edge.io: our bridge and its mapper together, and never a mapper that is not handed over. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Cause, Effect, Exit } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import type { ConnectProtocol, ConnectRefusal } from "../../../src/messages/connect.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { holdUnseen } from "../../support/hold-unseen.ts"
import { tempDir } from "../../support/temp-dir.ts"
import { type TestPki, testPki } from "../../support/tls/pki.ts"
import { type Bench, dropInPath, makeBench } from "./connect-bench.ts"

let pki: TestPki
let bench: Bench
/** What thin-edge.io's service runs once it is started, as its service manager says: a mapper that only maps. */
let mapping: ChildProcess
beforeAll(() => {
  pki = testPki({ deviceId: "dev01" })
  mapping = spawn("sleep", ["600"], { env: { PATH: process.env.PATH, TEDGE_MQTT_BRIDGE_BUILT_IN: "false" } })
})
afterAll(() => {
  mapping.kill("SIGKILL")
  pki.remove()
})
beforeEach(() => {
  bench = makeBench(tempDir(), pki.deviceCertFile, "beside-thin-edge")
  bench.world.installed.add("tedge-mapper")
  bench.world.processes.set(theirs, mapping.pid ?? 0)
})

const within = { within: "1 hour" } as const
const c8y = { cloud: "c8y", profile: undefined, offline: false } as const

type Command = (connect: ActorRef<ConnectProtocol>) => Effect.Effect<unknown, ConnectRefusal>

const connect: Command = (actor) => actor.ask("Connect", c8y, within)
const reconnect: Command = (actor) => actor.ask("Reconnect", c8y, within)
const disconnect: Command = (actor) => actor.ask("Disconnect", c8y, within)

/** The refusal; undefined: it was done. */
const run = async (command: Command): Promise<ConnectRefusal | undefined> => {
  const exit = await Effect.runPromise(bench.run(command))
  return Exit.isSuccess(exit) ? undefined : (Cause.squash(exit.cause) as ConnectRefusal)
}

const ours = "tedge-bridge-c8y"
const theirs = "tedge-mapper-c8y"
const conf = (name: string) => join(bench.dir, "mosquitto-conf", name)
const dropIn = () => dropInPath(bench.dir, theirs)
const lockOf = (unit: string) => join(bench.dir, "run", "lock", `${unit}.lock`)

/**
 * A process that has the lock of a service, as the original has it: no newline after the process id. `emptied` as by a
 * second start that was refused the lock; `unlocked` with run.lock_files false, as a program of the original's name.
 */
const playProcess = async (
  unit: string,
  environment: NodeJS.ProcessEnv,
  file: "written" | "emptied" | "unlocked" = "written"
): Promise<ChildProcess> => {
  const lock = lockOf(unit)
  mkdirSync(dirname(lock), { recursive: true })
  const program = join(tempDir(), { [ours]: "tedge-hsm-bridge", [theirs]: "tedge-mapper" }[unit] ?? unit)
  writeFileSync(
    program,
    `import sys, fcntl, os, time
if ${file === "unlocked" ? "False" : "True"}:
    lock = open(${JSON.stringify(lock)}, "w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.write(str(os.getpid()))
    lock.flush()
print("there", flush=True)
time.sleep(600)
`
  )
  const child = spawn("python3", [program, "c8y", "--config-dir", bench.dir], {
    env: { PATH: process.env.PATH, ...environment }
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  await new Promise((resolve) => child.stdout.once("data", resolve))
  if (file === "emptied") writeFileSync(lock, "")
  return child
}

/** Connected by thin-edge.io's own `tedge connect`, over the bridge in its mapper. */
const connectedByThinEdge = (): void => {
  mkdirSync(dirname(bench.markerPath), { recursive: true })
  writeFileSync(bench.markerPath, "# This file is left empty as the built-in bridge is enabled\n")
  writeFileSync(conf("tedge-mosquitto.conf"), "listener 1883 127.0.0.1\nallow_anonymous true\n")
  bench.active.add(theirs)
  bench.world.processes.delete(theirs)
}

describe("beside thin-edge.io", () => {
  it("connect starts our bridge, then the mapper with its bridge switched off", async () => {
    expect(await run(connect)).toBeUndefined()
    const services = bench.commands.filter((line) => line.includes("tedge-") || line.includes("systemd"))
    expect(services).toEqual([
      "reload systemd",
      `start ${ours}`,
      `enable ${ours}`,
      `start ${theirs}`,
      `enable ${theirs}`,
      "start tedge-agent",
      "enable tedge-agent"
    ])
    expect(readFileSync(dropIn(), "utf8")).toMatch(/^\[Service\]\nEnvironment=TEDGE_MQTT_BRIDGE_BUILT_IN=false$/m)
    expect(bench.traffic).toContain(`mapper ${ours}.sock`)
  })

  it("connect leaves tedge-mosquitto.conf to thin-edge.io, and writes its own lines to a file of its own", async () => {
    connectedByThinEdge()
    bench.active.delete(theirs)
    const before = readFileSync(conf("tedge-mosquitto.conf"), "utf8")
    expect(await run(connect)).toBeUndefined()
    expect(readFileSync(conf("tedge-mosquitto.conf"), "utf8")).toBe(before)
    expect(readFileSync(conf("tedge-hsm-mosquitto.conf"), "utf8")).toMatch(/^max_queued_messages 100000$/m)
    expect(readFileSync(conf("tedge-hsm-mosquitto.conf"), "utf8")).not.toMatch(/listener/)
  })

  it("connect takes a device over that thin-edge.io's own bridge had connected", async () => {
    connectedByThinEdge()
    expect(await run(connect)).toBeUndefined()
    const mapper = bench.commands.filter((line) => line.endsWith(theirs))
    expect(mapper).toEqual([`stop ${theirs}`, `start ${theirs}`, `enable ${theirs}`])
    expect(bench.commands.indexOf(`stop ${theirs}`)).toBeLessThan(bench.commands.indexOf(`start ${ours}`))
  })

  it("connect that fails brings thin-edge.io's own bridge back, as it was", async () => {
    connectedByThinEdge()
    const marker = bench.marker()
    bench.world.failing.add(`start ${ours}`)
    expect((await run(connect))?._tag).toBe("ServiceCommandFailed")
    expect(existsSync(dropIn())).toBe(false)
    expect(bench.marker()).toBe(marker)
    expect([...bench.active].toSorted()).toEqual(["mosquitto", theirs])
    expect(bench.commands.lastIndexOf("reload systemd")).toBeLessThan(bench.commands.lastIndexOf(`start ${theirs}`))
  })

  it("connect refuses a mapper that starts with a bridge of its own all the same", async () => {
    const process = await playProcess("another", {})
    bench.world.processes.set(theirs, process.pid ?? 0)
    const refusal = await run(connect)
    expect(refusal).toMatchObject({ _tag: "MapperHasBridge", unit: theirs, process: process.pid })
    expect([...bench.active]).toEqual(["mosquitto"])
    expect(existsSync(dropIn())).toBe(false)
  })

  it("connect hands over a mapper without a lock that its service manager knows", async () => {
    bench.active.add(theirs)
    expect(await run(connect)).toBeUndefined()
    expect(bench.commands).not.toContain(`stop ${theirs}`)
    expect(bench.commands).toContain(`restart ${theirs}`)
  })

  it("connect without thin-edge.io's mapper forwards messages, and says that they are not mapped", async () => {
    bench.world.installed.delete("tedge-mapper")
    expect(await run(connect)).toBeUndefined()
    expect(bench.events).toContainEqual({ _tag: "Noted", note: { _tag: "MapperNotInstalled" } })
    expect([...bench.active].toSorted()).toEqual(["mosquitto", "tedge-agent", ours])
  })

  it("connect names the variable to set by hand with a service manager without drop-ins", async () => {
    bench.world.serviceManager = "openrc"
    await playProcess(theirs, { TEDGE_MQTT_BRIDGE_BUILT_IN: "false" })
    expect(await run(connect)).toBeUndefined()
    const note = { _tag: "MapperNeedsVariable", unit: theirs, manager: "openrc" }
    expect(bench.events).toContainEqual({ _tag: "Noted", note })
  })

  it("reconnect restarts both, also after thin-edge.io's own reconnect wrote the marker anew", async () => {
    await run(connect)
    connectedByThinEdge()
    bench.commands.length = 0
    expect(await run(reconnect)).toBeUndefined()
    expect(bench.commands.filter((line) => line.includes("c8y"))).toEqual([
      `stop ${ours}`,
      `disable ${ours}`,
      `start ${ours}`,
      `enable ${ours}`,
      `restart ${theirs}`,
      `enable ${theirs}`
    ])
  })

  it("disconnect stops both, and leaves the mapper as thin-edge.io installed it", async () => {
    await run(connect)
    expect(await run(disconnect)).toBeUndefined()
    expect([...bench.active].toSorted()).toEqual(["mosquitto", "tedge-agent"])
    expect([...bench.enabled].filter((unit) => unit.includes("c8y"))).toEqual([])
    expect(existsSync(dropIn())).toBe(false)
    expect(bench.commands.at(-1)).toBe("reload systemd")
    expect(bench.marker()).toBeUndefined()
  })

  it("disconnect does not touch a mapper that connects itself, and fails", async () => {
    connectedByThinEdge()
    const marker = bench.marker()
    const refusal = await run(disconnect)
    expect(refusal).toMatchObject({ _tag: "MapperHasBridge", unit: theirs })
    expect(bench.commands).toEqual([])
    expect(bench.marker()).toBe(marker)
  })

  it("disconnect stops our bridge beside a mapper that connects itself, leaves that one its marker, and fails", async () => {
    connectedByThinEdge()
    const marker = bench.marker()
    bench.active.add(ours)
    expect(await run(disconnect)).toMatchObject({ _tag: "MapperHasBridge", unit: theirs })
    expect([...bench.active].toSorted()).toEqual(["mosquitto", theirs])
    expect(bench.marker()).toBe(marker)
  })

  const files = ["written", "emptied", "unlocked"] as const
  const held = [ours, theirs].flatMap((unit) => files.map((file) => ({ unit, file })))

  it.each(held)(
    "connect starts nothing while a process that no service manager knows is $unit ($file)",
    async (played) => {
      const process = await playProcess(played.unit, {}, played.file)
      expect(await run(connect)).toMatchObject({ _tag: "DeviceStillOnline", unit: played.unit, process: process.pid })
      expect([bench.commands, existsSync(dropIn())]).toEqual([[], false])
    }
  )

  it.each(held)("disconnect fails while a process that no service manager knows is $unit ($file)", async (played) => {
    await run(connect)
    const process = await playProcess(played.unit, {}, played.file)
    expect(await run(disconnect)).toMatchObject({
      _tag: "DeviceStillOnline",
      unit: played.unit,
      process: process.pid
    })
  })

  it.each([ours, theirs])("disconnect fails while something has the lock of %s that cannot be seen", async (unit) => {
    await run(connect)
    holdUnseen(lockOf(unit))
    expect(await run(disconnect)).toMatchObject({ _tag: "DeviceStillOnline", unit, process: undefined })
  })

  it.each([ours, theirs])(
    "connect starts nothing while something has the lock of %s that cannot be seen",
    async (unit) => {
      if (unit === theirs) bench.world.installed.delete("tedge-mapper") // it is in another container
      holdUnseen(lockOf(unit))
      expect(await run(connect)).toMatchObject({ _tag: "DeviceStillOnline", unit, process: undefined })
      expect([bench.commands, existsSync(dropIn())]).toEqual([[], false])
    }
  )

  it.each(["written", "emptied", "unlocked"] as const)(
    "disconnect stops a mapper that only maps, also after thin-edge.io's commands removed what says so (%s)",
    async (file) => {
      await run(connect)
      rmSync(bench.markerPath)
      rmSync(dropIn())
      bench.world.processes.clear()
      await playProcess(theirs, { TEDGE_MQTT_BRIDGE_BUILT_IN: "false" }, file)
      expect(await run(disconnect)).toBeUndefined()
      expect([...bench.active].toSorted()).toEqual(["mosquitto", "tedge-agent"])
    }
  )

  it("disconnect does not mind a mapper that only maps", async () => {
    await run(connect)
    await playProcess(theirs, { TEDGE_MQTT_BRIDGE_BUILT_IN: "false" })
    expect(await run(disconnect)).toBeUndefined()
  })
})
