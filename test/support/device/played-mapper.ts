/**
 * thin-edge.io's c8y mapper with TEDGE_MQTT_BRIDGE_BUILT_IN=false, as its neighbours see it: client id, retained topics,
 * the health message it waits for, `500`, a token over `c8y/s/uat`. Seen with its own binary beside ours.
 */
import { connectAsync } from "mqtt"

export interface PlayedMapper {
  /** How often it asked for pending operations. */
  readonly askedForOperations: () => number
  /** Registrations, operations and telemetry are handled from then on. */
  readonly released: Promise<void>
  /** A token of Cumulocity, over whatever bridge there is: the line as it comes. */
  readonly token: () => Promise<string>
  /** Disconnected by the broker: another client has its id. */
  readonly losses: () => number
  readonly close: () => Promise<void>
}

export const health = (name: string): string => `te/device/main/service/${name}/status/health`

export const playMapper = async (port: number): Promise<PlayedMapper> => {
  const own = "te/device/main/service/tedge-mapper-c8y"
  const bridges = [health("mosquitto-c8y-bridge"), health("tedge-mapper-bridge-c8y")]
  const said = (status: "up" | "down") => Buffer.from(JSON.stringify({ pid: 4242, status, time: 1_790_000_000 }))
  const will = { topic: health("tedge-mapper-c8y"), payload: said("down"), qos: 1, retain: true } as const
  const options = { host: "127.0.0.1", port, clientId: "tedge-mapper-c8y", clean: false, reconnectPeriod: 50, will }
  const client = await connectAsync(options)
  let losses = 0
  let asked = 0
  const tokens: Array<(line: string) => void> = []
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const say = () => void client.publish(health("tedge-mapper-c8y"), said("up"), { qos: 1, retain: true })
  client.on("error", () => {}) // brokers are killed on purpose
  client.on("close", () => void losses++)
  client.on("connect", say)
  client.on("message", (topic, payload) => {
    const text = String(payload)
    if (topic.endsWith("/cmd/health/check")) say()
    if (topic === bridges[0] && /^[01]$/.test(text)) release()
    if (bridges.includes(topic) && (text === "1" || /"status":\s*"up"/.test(text))) {
      asked++
      client.publish("c8y/s/us", "500", { qos: 1 })
    }
    if (topic === "c8y/s/dat") for (const take of tokens.splice(0)) take(text)
    if (topic === "te/device/main///m/")
      void released.then(() =>
        client.publish("c8y/measurement/measurements/create", JSON.stringify({ type: "ThinEdgeMeasurement", text }), {
          qos: 1
        })
      )
  })
  const filters = [...bridges, `${own}/cmd/health/check`, "te/device/main///cmd/health/check"]
  await client.subscribeAsync([...filters, "te/device/main///m/", "c8y/s/ds", "c8y/s/dat"], { qos: 1 })
  const registration = { "@type": "service", "@parent": "device/main//", name: "tedge-mapper-c8y", type: "service" }
  await client.publishAsync(own, JSON.stringify(registration), { qos: 1, retain: true })
  say()
  return {
    askedForOperations: () => asked,
    released,
    token: () =>
      new Promise((resolve) => {
        tokens.push(resolve)
        client.publish("c8y/s/uat", "", { qos: 1 })
      }),
    losses: () => losses,
    close: () => client.endAsync(true)
  }
}
