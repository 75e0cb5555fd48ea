/** A mosquitto that tedge starts itself keeps what waits for a client that is away. */
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "mqtt"
import { afterEach, expect, it } from "vitest"
import { freePort } from "../../../../scripts/lib/free-port.mjs"
import { tedgeMosquittoConf } from "../../../../src/actors/connect/mosquitto-conf.ts"
import { ownMosquittoConf } from "../../../../src/cli/commands/connect/open-services.ts"
import type { LocalBrokerSettings, Settings } from "../../../../src/messages/settings/resolved-settings.ts"
import { joinBroker } from "../../../support/broker/mqtt-peer.ts"

const dir = mkdtempSync(join(tmpdir(), "tedge-own-mosquitto-"))
const ended: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const end of ended) await end()
  rmSync(dir, { recursive: true, force: true })
})

const startMosquitto = (conf: string): Promise<() => Promise<void>> =>
  new Promise((resolve, reject) => {
    const child = spawn("mosquitto", ["-c", conf], { stdio: ["ignore", "ignore", "pipe"] })
    const gone = new Promise<void>((done) => child.once("exit", () => done()))
    const end = async () => {
      const again = setInterval(() => child.kill("SIGTERM"), 100)
      child.kill("SIGTERM")
      await gone
      clearInterval(again)
    }
    ended.push(end)
    let said = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (said.includes(" running")) resolve(end)
    })
    child.once("exit", (code) => reject(new Error(`mosquitto ended with ${code}: ${said}`)))
  })

it("keeps 500 messages over its restart, in a directory of its own", async () => {
  const port = await freePort()
  const settings = {
    configDir: join(dir, "etc"),
    dataPath: join(dir, "data"),
    run: { path: join(dir, "run") }
  } as unknown as Settings
  const listeners = { bindPort: port, bindAddress: "127.0.0.1", external: {} } as LocalBrokerSettings
  mkdirSync(join(dir, "etc", "mosquitto-conf"), { recursive: true })
  writeFileSync(
    join(dir, "etc", "mosquitto-conf", "tedge-mosquitto.conf"),
    `log_dest stderr\n${tedgeMosquittoConf(listeners, "per broker")}`
  )
  // Mosquitto may run as another user than the test.
  chmodSync(dir, 0o755)
  const conf = ownMosquittoConf(settings)
  expect(conf).toBe(join(dir, "run", "tedge-services", "mosquitto.conf"))
  expect(statSync(join(dir, "data", "mosquitto")).mode & 0o777).toBe(0o700)

  const end = await startMosquitto(conf)
  const bridge = await joinBroker(port, ["c8y/#"], undefined, "bridge")
  await bridge.close()
  const sensor = await joinBroker(port)
  for (let n = 0; n < 500; n++) await sensor.publish("c8y/s/us", `200,m,${n}`)
  await sensor.close()
  await end()

  await startMosquitto(ownMosquittoConf(settings))
  const heard = new Set<string>()
  await new Promise<void>((resolve) => {
    const again = connect({ host: "127.0.0.1", port, clientId: "bridge", clean: false })
    again.on("message", (_topic, payload) => {
      heard.add(String(payload))
      if (heard.size === 500) again.end(true, () => resolve())
    })
  })
  expect(heard.size).toBe(500)
})
