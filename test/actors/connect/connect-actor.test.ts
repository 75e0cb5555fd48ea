/** The commands of ConnectActor: what is done, in which order, and what a failed step leaves behind. */

import { spawnSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Cause, Effect, Exit, Fiber } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { ConnectProtocol, ConnectRefusal } from "../../../src/messages/connect.ts"
import { explain } from "../../../src/messages/explain.ts"
import { BrokerRefused, DialFailed, KeyMismatch, TlsFailed } from "../../../src/messages/mqtt.ts"
import { KeyNotFound, PinRejected, TokenNotFound, TokenUnavailable } from "../../../src/messages/token-refusals.ts"
import { acquireFileLock } from "../../../src/platform/files/file-lock.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"
import { tempDir } from "../../support/temp-dir.ts"
import { type TestPki, testPki } from "../../support/tls/pki.ts"
import { type Bench, jwt, makeBench } from "./connect-bench.ts"

let pki: TestPki
let bench: Bench
beforeAll(() => {
  pki = testPki({ deviceId: "dev01" })
})
afterAll(() => pki.remove())
beforeEach(() => {
  bench = makeBench(tempDir(), pki.deviceCertFile)
})

const within = { within: "1 hour" } as const
const c8y = { cloud: "c8y", profile: undefined, offline: false } as const

type Command = (connect: ActorRef<ConnectProtocol>) => Effect.Effect<unknown, ConnectRefusal>

const connect: Command = (actor) => actor.ask("Connect", c8y, within)
const connectOffline: Command = (actor) => actor.ask("Connect", { ...c8y, offline: true }, within)
const reconnect: Command = (actor) => actor.ask("Reconnect", c8y, within)
const disconnect: Command = (actor) => actor.ask("Disconnect", c8y, within)
const test: Command = (actor) => actor.ask("Test", c8y, within)

/** The refusal; undefined: it was done. */
const run = async (command: Command): Promise<ConnectRefusal | undefined> => {
  const exit = await Effect.runPromise(bench.run(command))
  return Exit.isSuccess(exit) ? undefined : (Cause.squash(exit.cause) as ConnectRefusal)
}

/** The same on a clock that is moved on and on: for what waits. */
const runPatiently = async (command: Command): Promise<ConnectRefusal | undefined> => (await runTimed(command)).refusal

const runTimed = (command: Command) =>
  withTestClock(
    Effect.gen(function* () {
      bench.world.installed.delete("mosquitto") // its version is asked of a real process
      bench.world.serviceManager = "my-init" // may have a mosquitto we do not see
      yield* passTime(Date.now())
      const fiber = yield* Effect.forkChild(bench.run(command), { startImmediately: true })
      let tookMs = 0
      while (fiber.pollUnsafe() === undefined) {
        yield* passTime("500 millis")
        tookMs += 500
      }
      const exit = yield* Fiber.join(fiber)
      return { refusal: Exit.isSuccess(exit) ? undefined : (Cause.squash(exit.cause) as ConnectRefusal), tookMs }
    })
  )

const lines = (): ReadonlyArray<string> =>
  bench.events.flatMap((event) => {
    if (event._tag === "StepDone") return [`${event.title} ✓`]
    if (event._tag === "StepFailed") return [`${event.title} ✗ ${event.failure._tag}`]
    if (event._tag === "StepDoubtful") return [`${event.title} ? ${event.failure._tag}`]
    if (event._tag === "Noted") return [`note ${event.note._tag}`]
    return event._tag === "Warned" ? [`warning ${event.failure._tag}`] : []
  })

const connectLines = [
  "Creating device in Cumulocity cloud ✓",
  "Restarting mosquitto ✓",
  "Waiting for mosquitto to be listening for connections ✓",
  "Enabling tedge-mapper-c8y ✓",
  "Verifying device is connected to cloud ✓",
  "Checking Cumulocity is connected to intended tenant ✓",
  "Enabling tedge-agent ✓"
]

const cloud = { host: "t.example", port: 8883 } as const
const portClosed = new DialFailed({ ...cloud, code: "ECONNREFUSED", detail: "" })

describe("connect", () => {
  it("takes the steps in their order", async () => {
    expect(await run(connect)).toBeUndefined()
    expect(lines()).toEqual(connectLines)
    expect(bench.commands).toEqual([
      "restart mosquitto",
      "enable mosquitto",
      "start tedge-mapper-c8y",
      "enable tedge-mapper-c8y",
      "start tedge-agent",
      "enable tedge-agent"
    ])
  })

  it("says when mosquitto does not read the directory that is written to", async () => {
    writeFileSync(join(bench.dir, "mosquitto.conf"), "include_dir /etc/mosquitto/conf.d\n")
    expect(await run(connect)).toBeUndefined()
    expect(lines()).toContain("note BrokerReadsOtherFiles")
  })

  it.each([
    ["include_dir", false],
    ["password_file /passwd\ninclude_dir", true]
  ])("keeps access rules apart where mosquitto.conf has some: %s", async (before, apart) => {
    writeFileSync(join(bench.dir, "mosquitto.conf"), `${before} ${join(bench.dir, "mosquitto-conf")}\n`)
    expect(await run(connect)).toBeUndefined()
    const written = readFileSync(join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf"), "utf8")
    expect(written.startsWith("per_listener_settings true\n")).toBe(apart)
    // The bench's mosquitto is 2.0.20, which then keeps nothing for a mapper that is away.
    expect(lines().includes("note BrokerForgets")).toBe(apart)
  })

  it("makes the device known with a quoted line and says goodbye to the cloud", async () => {
    bench.settings('[c8y]\nurl = "t.example"\n')
    writeFileSync(
      join(bench.dir, "tedge.toml"),
      readFileSync(join(bench.dir, "tedge.toml"), "utf8").replace("[device]", '[device]\ntype = "a,b"')
    )
    await run(connect)
    expect(bench.traffic.filter((line) => line.startsWith("cloud"))).toEqual([
      "cloud open",
      'cloud s/us 100,dev01,"a,b"',
      "cloud s/uat",
      "cloud close"
    ])
  })

  it("lets the services read the certificate; there is no key file to read", async () => {
    await run(connect)
    expect(bench.given).toEqual([pki.deviceCertFile])
  })

  it("takes a device that exists for created", async () => {
    bench.world.creationError = "41,100,Device already existing"
    expect(await run(connect)).toBeUndefined()
  })

  it("writes the listeners and a marker, making the directory", async () => {
    await run(connect)
    expect(bench.marker()).toBe("# This file is left empty as the built-in bridge is enabled\n")
    expect(readFileSync(join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf"), "utf8")).toContain(
      "listener 1883 127.0.0.1\n"
    )
  })

  it("writes no listeners when mqtt.bind.enabled is false", async () => {
    bench.settings('[c8y]\nurl = "t.example"\n[mqtt.bind]\nenabled = false\n')
    await run(connect)
    expect(() => readFileSync(join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf"))).toThrow("ENOENT")
    expect(bench.marker()).toBeDefined()
  })

  it("restarts a mapper that runs: it must see the new settings", async () => {
    bench.active.add("tedge-mapper-c8y")
    await run(connect)
    // Stopped first: it has the client id the device is created with.
    expect(bench.commands.filter((line) => line.includes("mapper"))).toEqual([
      "stop tedge-mapper-c8y",
      "start tedge-mapper-c8y",
      "enable tedge-mapper-c8y"
    ])
  })

  it("skips what needs the cloud when it is offline", async () => {
    bench.world.cloudRefuses = portClosed
    expect(await run(connectOffline)).toBeUndefined()
    expect(bench.traffic.filter((line) => line.startsWith("cloud"))).toEqual([])
    expect(lines()).toEqual([
      "note OfflineSkipped",
      "Restarting mosquitto ✓",
      "Waiting for mosquitto to be listening for connections ✓",
      "Enabling tedge-mapper-c8y ✓",
      "note OfflineSkipped",
      "Enabling tedge-agent ✓"
    ])
  })

  it("names mosquitto where there is none, before anything is changed here or in the cloud", async () => {
    bench.world.installed.delete("mosquitto")
    bench.world.brokerRefuses = portClosed
    const failure = await run(connect)
    expect(failure).toMatchObject({ _tag: "ServiceCommandFailed", service: "mosquitto", reason: "notFound" })
    expect(failure && explain(failure)).toEqual({
      error: "mosquitto is not installed",
      hint: "on Debian: apt-get install mosquitto"
    })
    expect([bench.commands, bench.traffic.filter((line) => line.startsWith("cloud")), lines()]).toEqual([[], [], []])
  })

  it("asks for no mosquitto where another broker answers", async () => {
    bench.world.installed.delete("mosquitto")
    bench.world.ownsBroker = false
    expect(await run(connect)).toBeUndefined()
  })

  it("does not touch a broker that it did not start", async () => {
    bench.world.ownsBroker = false
    await run(connect)
    expect(bench.commands.some((line) => line.includes("mosquitto"))).toBe(false)
    expect(lines()).toContain("note BrokerNotOurs")
    expect(lines().filter((line) => line.startsWith("Restarting"))).toEqual([])
  })

  it("leaves an agent alone that runs", async () => {
    bench.active.add("tedge-agent")
    await run(connect)
    await run(reconnect)
    expect(bench.commands.filter((line) => line.includes("agent"))).toEqual([
      "enable tedge-agent",
      "enable tedge-agent"
    ])
  })

  it("does not enable the agent for a cloud that manages no software", async () => {
    bench.settings('[az]\nurl = "t.example"\n')
    expect(await run((actor) => actor.ask("Connect", { ...c8y, cloud: "az", offline: true }, within))).toBeUndefined()
    expect(bench.commands.filter((line) => line.includes("agent"))).toEqual([])
    expect(lines()).not.toContain("note AgentNotInstalled")
  })

  it("says that there is no agent to enable", async () => {
    bench.world.installed.delete("tedge-agent")
    await run(connect)
    expect(lines().at(-1)).toBe("note AgentNotInstalled")
  })

  it("is not shaken by an agent that does not start", async () => {
    bench.world.failing.add("start tedge-agent")
    expect(await run(connect)).toBeUndefined()
    expect(lines().at(-1)).toBe("Enabling tedge-agent ✗ ServiceCommandFailed")
  })

  it("warns of another tenant without printing the token", async () => {
    bench.world.token = `71,${jwt({ iss: "other.example" })}`
    expect(await run(connect)).toBeUndefined()
    expect(lines()).toContain("Checking Cumulocity is connected to intended tenant ? TenantMismatch")
    expect(JSON.stringify(bench.events)).not.toContain(jwt({ iss: "other.example" }))
  })

  it.each(["71,garbage", "71,", `71,${jwt({})}`, `71,${jwt("x")}`])(
    "never prints a token it cannot read: %s",
    async (token) => {
      bench.world.token = token
      await run(connect)
      expect(lines()).toContain("Checking Cumulocity is connected to intended tenant ? TenantMismatch")
      if (token !== "71,") expect(JSON.stringify(bench.events)).not.toContain(token.slice(3))
    }
  )
})

describe("connect, when a step fails", () => {
  const writeOldFiles = (): void => {
    mkdirSync(dirname(bench.markerPath), { recursive: true })
    writeFileSync(join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf"), "# as it was\n")
  }
  const expectAsBefore = (): void => {
    expect(bench.marker()).toBeUndefined()
    expect(readFileSync(join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf"), "utf8")).toBe("# as it was\n")
    expect([...bench.active]).toEqual(["mosquitto"])
    expect([...bench.enabled].filter((service) => service !== "mosquitto")).toEqual([])
  }

  it.each([
    ["the cloud does not answer", () => (bench.world.cloudRefuses = portClosed), "DialFailed"],
    ["the cloud reports an error", () => (bench.world.creationError = "50,100,no"), "DeviceNotCreated"],
    ["mosquitto does not start", () => bench.world.failing.add("restart mosquitto"), "ServiceCommandFailed"],
    ["mosquitto cannot be enabled", () => bench.world.failing.add("enable mosquitto"), "ServiceCommandFailed"],
    ["the mapper does not start", () => bench.world.failing.add("start tedge-mapper-c8y"), "ServiceCommandFailed"],
    ["the mapper cannot be enabled", () => bench.world.failing.add("enable tedge-mapper-c8y"), "ServiceCommandFailed"]
  ])("leaves everything as it was: %s", async (_what, goWrong, tag) => {
    writeOldFiles()
    goWrong()
    expect((await run(connect))?._tag).toBe(tag)
    expectAsBefore()
  })

  it("takes the old listeners into use again", async () => {
    writeOldFiles()
    bench.world.failing.add("start tedge-mapper-c8y")
    await run(connect)
    expect(bench.commands.filter((line) => line === "restart mosquitto")).toHaveLength(2)
  })

  it("reports what could not be rolled back", async () => {
    bench.world.failing.add("start tedge-mapper-c8y")
    bench.world.failing.add("stop tedge-mapper-c8y")
    await run(connect)
    expect(lines()).toContain("warning ServiceCommandFailed")
    expect(bench.marker()).toBeUndefined()
  })

  it("starts a mapper again that it had stopped for the device's creation", async () => {
    bench.active.add("tedge-mapper-c8y")
    bench.world.cloudRefuses = portClosed
    await run(connect)
    expect(bench.active.has("tedge-mapper-c8y")).toBe(true)
  })

  it("leaves everything as it was when the user does not wait", async () => {
    writeOldFiles()
    bench.world.brokerRefuses = portClosed // it would be waited for
    const controller = new AbortController()
    const running = Effect.runPromise(bench.run(connect), { signal: controller.signal }).catch(() => undefined)
    const waiting = () =>
      bench.events.some((event) => event._tag === "StepStarted" && event.title.startsWith("Waiting"))
    while (!waiting()) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await running
    expectAsBefore()
  })

  it("waits 20 s for a broker, and says why it did not come", async () => {
    bench.world.brokerRefuses = new DialFailed({ host: "127.0.0.1", port: 1883, code: "ECONNREFUSED", detail: "" })
    const refusal = await runPatiently(connect)
    expect(refusal).toMatchObject({ _tag: "BrokerNotListening", afterMs: 20_000, cause: { code: "ECONNREFUSED" } })
    expect(bench.marker()).toBeUndefined()
  })

  it("does not wait for a broker that refuses the client", async () => {
    bench.world.brokerRefuses = new BrokerRefused({ host: "127.0.0.1", port: 1883, code: 5, detail: "" })
    expect(await run(connect)).toMatchObject({ _tag: "BrokerNotListening", cause: { code: 5 } })
  })
})

describe("connect, when the check fails", () => {
  it.each([
    ["the bridge is down, with its reason", '{"status":"down"}', "bridgeDown", "no token"],
    ["the bridge has said nothing", undefined, "inProgress", "tedge-mapper-c8y has not said anything yet"],
    ["nothing comes back", '{"status":"up"}', "noAnswer", ""]
  ])("tells apart: %s", async (_what, health, reason, detail) => {
    bench.world.bridgeHealth = health
    bench.world.bridgeReason = health === undefined ? undefined : "no token"
    const token = bench.world.token
    bench.world.token = undefined
    const refusal = await runPatiently(connect)
    expect(refusal).toMatchObject({ _tag: "ConnectionCheckFailed", reason })
    expect(refusal).toHaveProperty("detail", expect.stringContaining(detail))
    bench.world.token = token
  })

  it("tries five times", async () => {
    bench.world.bridgeHealth = '{"status":"down"}'
    bench.world.bridgeReason = "no token"
    await runPatiently(connect)
    expect(lines().filter((line) => line === "note CheckAttemptFailed")).toHaveLength(4)
    expect(bench.traffic.filter((line) => line === "local open").length).toBeGreaterThanOrEqual(5)
  })

  it.each([
    ["is starting", undefined, "tedge-mapper-c8y has not said anything yet"],
    ["is connecting", '{"status":"down"}', "tedge-mapper-c8y is connecting"]
  ])("counts no attempt while the mapper %s", async (_what, health, detail) => {
    bench.world.bridgeHealth = health
    const waits = () => bench.events.filter((event) => event._tag === "Noted" && event.note._tag === "CheckInProgress")
    bench.world.whenAsked = () => {
      if (waits().length === 8) bench.world.bridgeHealth = '{"status":"up"}'
    }
    expect(await runPatiently(connect)).toBeUndefined()
    expect(lines()).not.toContain("note CheckAttemptFailed")
    expect(waits()[0]).toMatchObject({ note: { detail: expect.stringContaining(detail) } })
  })

  it("says within seconds that the mapper does not keep running, with its own last error, and tries no more", async () => {
    bench.world.bridgeHealth = undefined
    bench.world.mapperEnds = "Failed to execute /usr/bin/tedge-mapper: No such file or directory"
    const { refusal, tookMs } = await runTimed(connect)
    expect(refusal).toMatchObject({ reason: "serviceEnds", detail: bench.world.mapperEnds })
    expect(tookMs).toBeLessThanOrEqual(3000)
    expect(lines()).not.toContain("note CheckAttemptFailed")
    expect(explain(refusal as ConnectRefusal)).toEqual({
      error:
        "Failed to verify device is connected to Cumulocity: tedge-mapper-c8y does not keep running: Failed to execute /usr/bin/tedge-mapper: No such file or directory",
      hint: "see its log: journalctl -u tedge-mapper-c8y"
    })
  })

  it("leaves the mapper trying, says so, and can be repeated", async () => {
    bench.world.bridgeHealth = '{"status":"down"}'
    bench.world.bridgeReason = "no token"
    await runPatiently(connect)
    expect(lines()).toContain("note LeftRunning")
    expect([bench.active.has("tedge-mapper-c8y"), bench.enabled.has("tedge-mapper-c8y")]).toEqual([true, true])
    bench.world.bridgeHealth = '{"status":"up"}'
    expect(await run(connect)).toBeUndefined()
    expect((await run(connect))?._tag).toBe("AlreadyConnected")
  })
})

describe("a renewed certificate that waits", () => {
  let present: string
  let pending: string
  beforeEach(() => {
    present = join(bench.dir, "device.pem")
    pending = `${present}.new`
    writeFileSync(present, readFileSync(pki.deviceCertFile))
    writeFileSync(pending, `${readFileSync(pki.deviceCertFile)}# renewed\n`)
    bench = makeBench(bench.dir, present)
  })
  const connected = async () => Effect.runPromise(bench.run((actor) => actor.ask("Connect", c8y, within)))
  const files = () => [readFileSync(present, "utf8").includes("# renewed"), existsSync(pending)]

  it.each(["c8y", "az", "aws"] as const)(
    "is tried without ending the session the device has with %s",
    async (cloud) => {
      const file = join(bench.dir, "tedge.toml")
      writeFileSync(file, readFileSync(file, "utf8").replace("[c8y]", `[${cloud}]`))
      await run((actor) => actor.ask("Connect", { ...c8y, cloud }, within))
      expect(bench.world.trialKeepsSession).toEqual([true])
    }
  )

  it("is used after a connection with it has succeeded", async () => {
    expect(await connected()).toEqual(Exit.succeed({ newCertificate: "used" }))
    expect(files()).toEqual([true, false])
    expect(lines().slice(0, 2)).toEqual([`Validating new certificate: ${pending} ✓`, "note NewCertificateUsed"])
  })

  describe("beside a certificate with its private key in one file", () => {
    beforeEach(() => {
      writeFileSync(present, `${readFileSync(present)}${pki.deviceKeyPem}`, { mode: 0o640 })
      chmodSync(present, 0o640)
      writeFileSync(pending, `${pki.deviceCertPem}${pki.caPem}`)
    })

    it("replaces the certificate and keeps the key, with the mode the file has", async () => {
      const renewed = readFileSync(pending, "utf8")
      expect(await connected()).toEqual(Exit.succeed({ newCertificate: "used" }))
      expect(readFileSync(present, "utf8")).toBe(`${renewed}${pki.deviceKeyPem}`)
      expect([statSync(present).mode & 0o777, existsSync(pending)]).toEqual([0o640, false])
    })

    it("loses neither when the file cannot be written", async () => {
      const before = [readFileSync(present, "utf8"), readFileSync(pending, "utf8")]
      mkdirSync(join(bench.dir, ".device.pem.tmp")) // in the way of the new content
      await run(connect)
      expect([readFileSync(present, "utf8"), readFileSync(pending, "utf8")]).toEqual(before)
    })
  })

  it.runIf(spawnSync("unshare", ["-m", "true"]).status === 0)(
    "is left waiting where the present one is a mount point: it connects, and both are as they were",
    async () => {
      const path = pending.replace(/\.new$/, "")
      const before = [readFileSync(path, "utf8"), readFileSync(pending, "utf8")]
      expect(spawnSync("mount", ["--bind", path, path]).status).toBe(0)
      try {
        const done = await Effect.runPromise(bench.run((actor) => actor.ask("Connect", c8y, within)))
        expect(done).toEqual(Exit.succeed({ newCertificate: "unused" }))
      } finally {
        spawnSync("umount", ["-l", path])
      }
      expect([readFileSync(path, "utf8"), readFileSync(pending, "utf8")]).toEqual(before)
      expect(lines()).toContain("note NewCertificateUnused")
    }
  )

  it("is left waiting when the cloud refuses it, five times; the present one connects", async () => {
    bench.world.newCertificateRefused = portClosed
    expect(await runPatiently(connect)).toBeUndefined()
    expect(files()).toEqual([false, true])
    expect(lines().slice(0, 3)).toEqual([
      `Validating new certificate: ${pending} ✗ DialFailed`,
      "note NewCertificateUnused",
      "Creating device in Cumulocity cloud ✓"
    ])
    expect(bench.traffic.filter((line) => line === "refused .new")).toHaveLength(5)
  })

  it.each([
    ["one frozen attempt", 70_000, [40_000], 20_000],
    ["slow refusals", 25_000, [40_000, 13_000], 20_000],
    ["quick refusals", 1000, [40_000, 37_000, 34_000, 31_000, 28_000], 47_000]
  ])("takes a minute at most with the device's creation, whatever the cloud does: %s", async (...row) => {
    const [_what, takesMs, within, left] = row
    bench.world.newCertificateRefused = portClosed
    bench.world.newCertificateTakesMs = takesMs
    expect(await runPatiently(connect)).toBeUndefined()
    expect(bench.world.newCertificateWithinMs).toEqual(within)
    expect(bench.world.creationWithinMs).toBe(left)
    expect(lines()).toContain("note NewCertificateUnused")
  })

  it("is known to be for another key than the token's before the old connection ends", async () => {
    const other = testPki({ deviceId: "dev01" })
    await run(connectOffline)
    bench.world.whenCommanded = Effect.sync(() => {
      // The key that is named, then any other on the token.
      expect(bench.world.tokenAsked.slice(0, 2)).toEqual(["ChooseScheme", "PublicKey"])
    })
    writeFileSync(pending, readFileSync(other.deviceCertFile))
    const done = await Effect.runPromise(bench.run((actor) => actor.ask("Reconnect", c8y, within)))
    expect(done).toEqual(Exit.succeed({ newCertificate: "unused" }))
    expect(lines()).toContain(`Validating new certificate: ${pending} ✗ KeyMismatch`)
    expect(bench.traffic).not.toContain("refused .new")
    other.remove()
  })

  it("is used when the token has its key, and no longer that of the present one", async () => {
    const other = testPki({ deviceId: "dev01" })
    await run(connectOffline)
    writeFileSync(pending, readFileSync(other.deviceCertFile))
    bench.world.tokenKeyFile = other.deviceCertFile
    const done = await Effect.runPromise(bench.run((actor) => actor.ask("Reconnect", c8y, within)))
    expect(done).toEqual(Exit.succeed({ newCertificate: "used" }))
    other.remove()
  })

  it.each([
    ["a key that is another's", new KeyMismatch({ certPath: "/c", key: "pkcs11:" }), 1],
    ["a server that is not trusted", new TlsFailed({ ...cloud, reason: "serverNotTrusted", detail: "" }), 1],
    [
      "a certificate that the cloud does not know yet",
      new TlsFailed({ ...cloud, reason: "certificateRefused", detail: "" }),
      5
    ],
    ["a device that the cloud does not know yet", new BrokerRefused({ ...cloud, code: 5, detail: "" }), 5]
  ])("is tried again only when time may heal it: %s", async (_what, refusal, attempts) => {
    bench.world.newCertificateRefused = refusal
    expect(await runPatiently(connect)).toBeUndefined()
    expect(bench.world.newCertificateWithinMs).toHaveLength(attempts)
  })

  const makeExpired = (path: string): void => {
    const expired = testPki({ deviceId: "dev01", deviceValidity: "expired" })
    writeFileSync(path, readFileSync(expired.deviceCertFile))
    expired.remove()
  }
  const makeAnother = (path: string): void => {
    const another = testPki({ deviceId: "dev02" })
    writeFileSync(path, readFileSync(another.deviceCertFile))
    another.remove()
  }
  const makeGarbage = (path: string): void => writeFileSync(path, "garbage")

  it.each([
    ["garbage", makeGarbage, "CredentialUnusable"],
    ["a certificate that has expired", makeExpired, "CertificateNotValid"],
    ["a certificate of another device", makeAnother, "CertificateOfOtherDevice"]
  ])("is not tried when it is %s; the present one connects", async (_what, spoil, tag) => {
    spoil(pending)
    for (const command of ["Connect", "Reconnect"] as const) {
      bench.events.length = 0
      const done = await Effect.runPromise(bench.run((actor) => actor.ask(command, c8y, within)))
      expect(done).toEqual(Exit.succeed({ newCertificate: "unused" }))
      expect(lines()).toContain(`Validating new certificate: ${pending} ✗ ${tag}`)
      expect(lines()).toContain("note NewCertificateUnused")
    }
    expect(files()).toEqual([false, true])
  })

  it("is not tried when it is for another key than the file's", async () => {
    const other = testPki({ deviceId: "dev01" })
    const useKey = (path: string): void => {
      const settings = join(bench.dir, "tedge.toml")
      const text = readFileSync(settings, "utf8").replace('mode = "module"', 'mode = "off"')
      writeFileSync(settings, text.replace(/\[device\]\n(key_path = .*\n)?/, `[device]\nkey_path = "${path}"\n`))
    }
    useKey(other.deviceKeyFile)
    expect(await run(connect)).toMatchObject({ _tag: "KeyMismatch", certPath: present })
    writeFileSync(present, readFileSync(other.deviceCertFile))
    expect(await connected()).toEqual(Exit.succeed({ newCertificate: "unused" }))
    expect(lines()).toContain(`Validating new certificate: ${pending} ✗ KeyMismatch`)
    expect(files()).toEqual([false, true])
    useKey(pki.deviceKeyFile)
    await run(disconnect)
    expect(await connected()).toEqual(Exit.succeed({ newCertificate: "used" }))
    other.remove()
  })

  it("keeps a device connected whose present certificate has expired when it cannot be used either", async () => {
    await run(connectOffline)
    bench.commands.length = 0
    makeExpired(present)
    makeGarbage(pending)
    expect(await run(reconnect)).toMatchObject({ _tag: "CertificateNotValid", path: present })
    expect(bench.commands).toEqual([])
    expect(bench.marker()).toBeDefined()
  })

  it("is not tried without the cloud", async () => {
    expect(await run(connectOffline)).toBeUndefined()
    expect(files()).toEqual([false, true])
  })

  it("lets a device connect whose present certificate has expired", async () => {
    makeExpired(present)
    expect(await run(connect)).toBeUndefined()
    expect(files()).toEqual([true, false])
  })
})

describe("connect, before it changes anything", () => {
  const expectUntouched = (): void => {
    expect(bench.commands).toEqual([])
    expect(bench.traffic).toEqual([])
    expect(bench.marker()).toBeUndefined()
  }

  it.each([
    ["no URL", "", "SettingMissing"],
    [
      "the mosquitto bridge with a token",
      '[c8y]\nurl = "t.example"\n[mqtt.bridge]\nbuilt_in = false\n',
      "HsmNeedsBuiltInBridge"
    ],
    [
      "two profiles that are one device",
      '[c8y]\nurl = "t.example"\n[c8y.profiles.b]\nurl = "t.example"\n',
      "ProfilesCollide"
    ],
    [
      "two profiles with the same topics",
      '[c8y]\nurl = "t.example"\n[c8y.profiles.b]\nurl = "u.example"\nproxy.bind.port = 8002\n',
      "ProfilesCollide"
    ],
    [
      "a user without password for the proxy",
      '[c8y]\nurl = "t.example"\n[proxy]\naddress = "http://p:1"\nusername = "u"\n',
      "SettingsIncomplete"
    ]
  ])("refuses %s", async (_what, toml, tag) => {
    bench.settings(toml)
    expect((await run(connect))?._tag).toBe(tag)
    expectUntouched()
  })

  it("refuses a certificate that is not valid", async () => {
    const expired = testPki({ deviceValidity: "expired" })
    bench = makeBench(tempDir(), expired.deviceCertFile)
    expect(await run(connect)).toMatchObject({ _tag: "CertificateNotValid", reason: "expired" })
    expired.remove()
    expectUntouched()
  })

  it("distinguishes a certificate in DER form from an invalid one", async () => {
    const path = join(tempDir(), "device.der")
    writeFileSync(path, new X509Certificate(readFileSync(pki.deviceCertFile)).raw)
    bench = makeBench(tempDir(), path)
    expect(await run(connect)).toMatchObject({ _tag: "CredentialUnusable", reason: "der", path })
    expectUntouched()
  })

  it("refuses without a service manager", async () => {
    bench.world.serviceManagerMissing = true
    expect((await run(connect))?._tag).toBe("ServiceManagerUnavailable")
    expectUntouched()
  })

  it("refuses a second time, naming the profile", async () => {
    expect(await run(connect)).toBeUndefined()
    expect(await run(connect)).toMatchObject({ _tag: "AlreadyConnected", cloud: "c8y", profile: undefined })
  })

  it("connects again when the mapper does not run any more", async () => {
    await run(connect)
    bench.active.delete("tedge-mapper-c8y")
    expect(await run(connect)).toBeUndefined()
  })
})

describe("another command that changes the connection", () => {
  const lockPath = (instance = "c8y") => join(bench.dir, "run", "lock", `tedge-connect-${instance}.lock`)
  /** As the other process would have it while `command` runs. */
  const besides = async (command: Command, instance?: string): Promise<ConnectRefusal | undefined> => {
    mkdirSync(dirname(lockPath()), { recursive: true })
    return Effect.runPromise(
      Effect.scoped(
        Effect.andThen(
          acquireFileLock(lockPath(instance)),
          Effect.promise(() => run(command))
        )
      )
    )
  }

  it.each([
    ["connect", connect],
    ["connect --offline", connectOffline],
    ["reconnect", reconnect],
    ["disconnect", disconnect]
  ])("keeps %s from touching anything", async (_name, command) => {
    bench.active.add("tedge-mapper-c8y")
    expect(await besides(command)).toMatchObject({
      _tag: "CommandRunning",
      cloud: "c8y",
      profile: undefined,
      pid: process.pid
    })
    expect([bench.commands, bench.traffic, bench.events]).toEqual([[], [], []])
    expect([bench.marker(), bench.active.has("tedge-mapper-c8y")]).toEqual([undefined, true])
  })

  it("is ignored if it has another profile, or has exited", async () => {
    expect(await besides(connect, "c8y@other")).toBeUndefined()
    expect(await run(reconnect)).toBeUndefined()
  })

  it("lets the connection be tested", async () => {
    await run(connect)
    expect(await besides(test)).toBeUndefined()
  })

  it("cannot be seen without a place for locks: that is a warning", async () => {
    writeFileSync(join(bench.dir, "run"), "a file")
    expect(await run(connect)).toBeUndefined()
    expect(lines()[0]).toBe("warning LockUnavailable")
  })

  it("is not looked for where there are to be no lock files", async () => {
    bench.settings('lock_files = false\n[c8y]\nurl = "t.example"\n')
    expect(await besides(connect)).toBeUndefined()
  })

  it("has the lock until the last undo is done", async () => {
    bench.world.failing.add("start tedge-mapper-c8y")
    const held: Array<boolean> = []
    const look = Effect.sync(() => {
      const free = Effect.runSyncExit(Effect.scoped(acquireFileLock(lockPath())))
      held.push(Exit.isFailure(free))
    })
    bench.world.whenCommanded = look
    await run(connect)
    expect(bench.commands.length).toBeGreaterThan(3)
    expect(held).toEqual(bench.commands.map(() => true))
  })
})

describe("commands for several clouds", () => {
  const toBroker = { ...c8y, cloud: "aws" } as const
  const connectAws: Command = (actor) => actor.ask("Connect", { ...toBroker, offline: true }, within)
  const listeners = () => join(bench.dir, "mosquitto-conf", "tedge-mosquitto.conf")
  const restarts = () => bench.commands.filter((line) => line === "restart mosquitto").length
  beforeEach(() => bench.settings('[c8y]\nurl = "t.example"\n[aws]\nurl = "a.example"\n'))

  it("restart the broker once, however many clouds there are", async () => {
    expect(await run(connectOffline)).toBeUndefined()
    expect(await run(connectAws)).toBeUndefined()
    expect(await run(reconnect)).toBeUndefined()
    expect(await run(disconnect)).toBeUndefined()
    expect(restarts()).toBe(1)
  })

  it.each([
    [
      "a file of the user's",
      () => writeFileSync(join(bench.dir, "mosquitto-conf", "mine.conf"), "max_connections 9\n")
    ],
    ["a setting of tedge's", () => bench.settings('[aws]\nurl = "a.example"\n[mqtt.external.bind]\nport = 8883\n')],
    ["a broker that does not run", () => void bench.active.delete("mosquitto")]
  ])("restart it for %s", async (_name, change) => {
    await run(connectOffline)
    change()
    expect(await run(connectAws)).toBeUndefined()
    expect(restarts()).toBe(2)
  })

  it("restart it again when the last restart failed", async () => {
    await run(connectOffline)
    writeFileSync(join(bench.dir, "mosquitto-conf", "mine.conf"), "x\n")
    bench.world.failing.add("restart mosquitto")
    expect(await run(connectAws)).toMatchObject({ _tag: "ServiceCommandFailed" })
    bench.world.failing.clear()
    expect(await run(connectAws)).toBeUndefined()
    expect(restarts()).toBeGreaterThanOrEqual(3)
  })

  it("take turns at the broker", async () => {
    const path = join(bench.dir, "run", "lock", "tedge-connect-broker.lock")
    mkdirSync(dirname(path), { recursive: true })
    const before = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* acquireFileLock(path)
          const fiber = yield* Effect.forkDetach(bench.run(connectOffline))
          yield* Effect.sleep("400 millis")
          expect(existsSync(listeners())).toBe(false)
          return { fiber, restarts: restarts() }
        })
      )
    )
    expect(before.restarts).toBe(0)
    expect(Exit.isSuccess(await Effect.runPromise(Fiber.join(before.fiber)))).toBe(true)
    expect(restarts()).toBe(1)
  })

  it("hold the broker's lock for its restart, and for the undo of it", async () => {
    const path = join(bench.dir, "run", "lock", "tedge-connect-broker.lock")
    const held: Array<boolean> = []
    bench.world.failing.add("start tedge-mapper-c8y")
    bench.world.whenCommanded = Effect.sync(() => {
      held.push(existsSync(path) && Exit.isFailure(Effect.runSyncExit(Effect.scoped(acquireFileLock(path)))))
    })
    await run(connectOffline)
    const ofBroker = bench.commands.flatMap((line, n) => (line === "restart mosquitto" ? [held[n]] : []))
    expect(ofBroker).toEqual([true, true])
  })

  it("leave the listeners to the other cloud when one is undone", async () => {
    await run(connectAws)
    writeFileSync(listeners(), "# older\n")
    bench.world.failing.add("start tedge-mapper-c8y")
    await run(connectOffline)
    expect(readFileSync(listeners(), "utf8")).toContain("listener 1883")
  })
})

describe("disconnect", () => {
  it("removes the marker and stops the mapper", async () => {
    await run(connect)
    bench.events.length = 0
    expect(await run(disconnect)).toBeUndefined()
    expect(lines()).toEqual(["Removing bridge config file ✓", "Disabling tedge-mapper-c8y ✓"])
    expect(bench.marker()).toBeUndefined()
    expect([bench.active.has("tedge-mapper-c8y"), bench.enabled.has("tedge-mapper-c8y")]).toEqual([false, false])
  })

  it("stops a mapper that runs without a marker", async () => {
    bench.active.add("tedge-mapper-c8y")
    expect(await run(disconnect)).toBeUndefined()
    expect(lines()).toEqual([
      "Removing bridge config file ✓",
      "note BridgeAlreadyRemoved",
      "Disabling tedge-mapper-c8y ✓"
    ])
    expect(bench.active.has("tedge-mapper-c8y")).toBe(false)
  })

  it("restarts mosquitto only to drop a bridge of its own", async () => {
    mkdirSync(dirname(bench.markerPath), { recursive: true })
    writeFileSync(bench.markerPath, "connection edge_to_c8y\n")
    await run(disconnect)
    expect(bench.commands[0]).toBe("restart mosquitto")
  })

  it("is no failure for a service manager that never knew the mapper", async () => {
    bench.world.failing.add("disable tedge-mapper-c8y")
    expect(await run(disconnect)).toBeUndefined()
    expect(lines()).toContain("warning ServiceCommandFailed")
  })

  it("needs nothing that only a connection needs", async () => {
    bench.settings("")
    expect(await run(disconnect)).toBeUndefined()
  })
})

describe("reconnect", () => {
  it("disconnects, then connects", async () => {
    await run(connect)
    bench.events.length = 0
    expect(await run(reconnect)).toBeUndefined()
    const restarts = () => bench.commands.filter((line) => line === "restart mosquitto").length
    const disconnectLines = ["Removing bridge config file ✓", "Disabling tedge-mapper-c8y ✓"]
    expect(lines()).toEqual([...disconnectLines, ...connectLines])
    expect(restarts()).toBe(2)
    // The connection of another cloud is not cut for nothing, and no restart is shown that was none.
    writeFileSync(join(dirname(bench.markerPath), "aws-bridge.conf"), "# empty\n")
    bench.events.length = 0
    expect(await run(reconnect)).toBeUndefined()
    const unrestarted = connectLines.map((line) => (line === "Restarting mosquitto ✓" ? "note BrokerAsItIs" : line))
    expect(lines()).toEqual([...disconnectLines, ...unrestarted])
    expect(restarts()).toBe(2)
  })

  it("validates before it disconnects", async () => {
    await run(connect)
    bench.settings("")
    bench.commands.length = 0
    expect((await run(reconnect))?._tag).toBe("SettingMissing")
    expect(bench.commands).toEqual([])
    expect(bench.marker()).toBeDefined()
  })

  const refusedPin = new PinRejected({ token: "t", reason: "incorrect" })
  const lostKey = new KeyNotFound({ uri: "pkcs11:object=k", token: "t", onOtherToken: undefined })
  const lostToken = new TokenNotFound({ uri: "pkcs11:token=t", present: [] })

  it.each([refusedPin, lostKey, lostToken])("asks the token before it disconnects: $_tag", async (cause) => {
    await run(connect)
    bench.commands.length = 0
    bench.world.tokenRefuses = cause
    expect(await run(reconnect)).toMatchObject({ _tag: "SigningFailed", host: "t.example", cause })
    expect(bench.commands).toEqual([])
    expect(bench.world.tokenAsked).toEqual(["ChooseScheme"])
    expect(bench.marker()).toBeDefined()
  })

  it("finds out that the token has another key than the certificate's before it disconnects", async () => {
    await run(connect)
    bench.commands.length = 0
    const other = testPki({ deviceId: "dev01" })
    bench.world.tokenKeyFile = other.deviceCertFile
    expect(await run(reconnect)).toMatchObject({ _tag: "KeyMismatch", certPath: pki.deviceCertFile })
    expect(bench.commands).toEqual([])
    other.remove()
  })

  it("goes on with a token that the mapper may keep busy", async () => {
    await run(connect)
    bench.world.tokenRefuses = new TokenUnavailable({ token: "t", call: undefined, code: undefined, detail: "" })
    expect(await run(reconnect)).toBeUndefined()
  })

  it("leaves the token alone without the cloud, and so does connect --test", async () => {
    await run(connect)
    await run((actor) => actor.ask("Reconnect", { ...c8y, offline: true }, within))
    expect(await run(test)).toBeUndefined()
    expect(bench.world.tokenAsked).toEqual([])
  })

  it("brings the old connection back when a step fails", async () => {
    await run(connect)
    bench.world.cloudRefuses = portClosed
    expect((await run(reconnect))?._tag).toBe("DialFailed")
    expect(bench.marker()).toBe("# This file is left empty as the built-in bridge is enabled\n")
    expect([bench.active.has("tedge-mapper-c8y"), bench.enabled.has("tedge-mapper-c8y")]).toEqual([true, true])
    expect(lines().at(-1)).toBe("note OldConnectionBack")
  })

  it("says nothing of an old connection when there was none", async () => {
    bench.world.cloudRefuses = portClosed
    await run(reconnect)
    expect(lines()).not.toContain("note OldConnectionBack")
  })
})

describe("connect --test", () => {
  it("asks the bridge and the cloud, and changes nothing", async () => {
    await run(connect)
    bench.events.length = 0
    bench.commands.length = 0
    expect(await run(test)).toBeUndefined()
    expect(lines()).toEqual([
      "Verifying device is connected to cloud ✓",
      "Checking Cumulocity is connected to intended tenant ✓",
      "note TestPassed"
    ])
    expect(bench.commands).toEqual([])
  })

  it("passes with a bridge that works, marker or not", async () => {
    bench.active.add("tedge-mapper-c8y")
    expect(await run(test)).toBeUndefined()
  })

  it("fails when there is no connection, after its summary", async () => {
    expect((await run(test))?._tag).toBe("NotConnected")
    expect(bench.events.map(({ _tag }) => _tag)).toEqual(["TitleShown", "SummaryShown"])
  })

  it("shows the settings before it refuses those that must differ between profiles", async () => {
    bench.settings('[c8y]\nurl = "t.example"\n[c8y.profiles.b]\nurl = "u.example"\nproxy.bind.port = 8002\n')
    expect((await run(test))?._tag).toBe("ProfilesCollide")
    expect(bench.events.map(({ _tag }) => _tag)).toEqual(["TitleShown", "SummaryShown"])
  })

  it("fails with another tenant", async () => {
    await run(connect)
    bench.world.token = `71,${jwt({ iss: "other.example" })}`
    expect((await run(test))?._tag).toBe("TenantMismatch")
  })

  it("fails at once when the local broker refuses", async () => {
    await run(connect)
    bench.world.brokerRefuses = portClosed
    expect(await run(test)).toMatchObject({ _tag: "ConnectionCheckFailed", reason: "localBroker" })
  })
})
