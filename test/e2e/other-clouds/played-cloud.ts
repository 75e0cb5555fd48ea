/**
 * A mosquitto that plays Azure IoT Hub, AWS IoT Core or a Cumulocity with user and password.
 *
 * Their port is 8883 and cannot be set, so each run has an address of its own in 127.0.0.0/8.
 */
import { randomInt } from "node:crypto"
import { connect as connectSocket } from "node:net"
import { join } from "node:path"
import mqtt from "mqtt"
import { startMosquitto } from "../../../scripts/lib/device/mosquitto.mjs"
import { type TestPki, testPki } from "../../support/tls/pki.ts"

export interface PlayedCloud {
  readonly host: string
  readonly pki: TestPki
  /** Topic and payload of what came, oldest first. */
  readonly received: ReadonlyArray<readonly [topic: string, payload: string]>
  readonly publish: (topic: string, payload: string) => Promise<unknown>
  /** mosquitto's log. */
  readonly log: () => string
  readonly close: () => Promise<void>
}

export interface PlayedCloudOptions {
  readonly dir: string
  /** Who may come in: further lines of mosquitto.conf. */
  readonly access: (pki: TestPki) => ReadonlyArray<string>
  readonly topics: ReadonlyArray<string>
  /** What is sent in answer to a message. */
  readonly answer?: (topic: string, payload: string) => readonly [topic: string, payload: string] | undefined
}

export const startPlayedCloud = async ({ dir, access, topics, answer }: PlayedCloudOptions): Promise<PlayedCloud> => {
  const host = [127, randomInt(1, 255), randomInt(1, 255), randomInt(1, 255)].join(".")
  const pki = testPki({ serverNames: `IP:${host}` })
  const socketPath = join(dir, "cloud.sock")
  const config = [
    ...["per_listener_settings true", `listener 0 ${socketPath}`, "allow_anonymous true"],
    ...[`listener 8883 ${host}`, `certfile ${pki.serverCertFile}`, `keyfile ${pki.serverKeyFile}`],
    ...access(pki)
  ]
  const broker = await startMosquitto({ dir: join(dir, "cloud"), config, readyWhen: socketPath })
  const received: Array<readonly [string, string]> = []
  const client = new mqtt.MqttClient(() => connectSocket(socketPath), { clientId: "played-cloud", keepalive: 0 })
  client.on("error", () => undefined)
  client.on("message", (topic, payload) => {
    received.push([topic, payload.toString()])
    const reply = answer?.(topic, payload.toString())
    if (reply !== undefined) client.publish(...reply)
  })
  await new Promise<void>((resolve) => client.once("connect", () => resolve()))
  await client.subscribeAsync([...topics], { qos: 1 })
  return {
    host,
    pki,
    received,
    publish: (topic, payload) => client.publishAsync(topic, payload, { qos: 1 }),
    log: () => broker.log(),
    close: async () => {
      await client.endAsync(true)
      await broker.stop()
      pki.remove()
    }
  }
}

/** Only with a certificate that the cloud's authority has issued. */
export const byCertificate = (pki: TestPki): ReadonlyArray<string> => [
  ...["allow_anonymous true", "require_certificate true", `cafile ${pki.caFile}`]
]
