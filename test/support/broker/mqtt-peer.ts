/** Somebody else at a broker: publishes, and waits for what arrives. */
import { readFileSync } from "node:fs"
import { connectAsync, type IClientOptions } from "mqtt"

export interface Heard {
  readonly topic: string
  readonly payload: string
  readonly retain: boolean
}

export interface MqttPeer {
  readonly publish: (topic: string, payload: string, options?: { readonly retain?: boolean }) => Promise<void>
  readonly heard: ReadonlyArray<Heard>
  /** The first message, heard already or to come, that fits. */
  readonly hear: (fits: (message: Heard) => boolean) => Promise<Heard>
  readonly close: () => Promise<void>
}

export const joinBroker = async (
  port: number,
  filters: ReadonlyArray<string> = [],
  tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string },
  /** With a name the broker keeps what comes while the peer, or the broker, is away. */
  clientId?: string
): Promise<MqttPeer> => {
  const heard: Array<Heard> = []
  const waiting = new Set<() => void>()
  const options: IClientOptions =
    tls === undefined
      ? { host: "127.0.0.1", port }
      : {
          host: "127.0.0.1",
          port,
          protocol: "mqtts",
          cert: readFileSync(tls.certFile),
          key: readFileSync(tls.keyFile),
          ca: readFileSync(tls.caFile)
        }
  const client = await connectAsync({
    ...options,
    ...(clientId === undefined ? {} : { clientId, clean: false }),
    reconnectPeriod: 50
  })
  client.on("error", () => {}) // brokers are killed on purpose
  client.on("message", (topic, payload, { retain }) => {
    heard.push({ topic, payload: String(payload), retain })
    for (const look of [...waiting]) look()
  })
  if (filters.length > 0) await client.subscribeAsync([...filters], { qos: 1 })
  return {
    publish: async (topic, payload, { retain = false } = {}) => {
      await client.publishAsync(topic, payload, { qos: 1, retain })
    },
    heard,
    hear: (fits) =>
      new Promise((resolve) => {
        const look = () => {
          const found = heard.find(fits)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    close: () => client.endAsync(true)
  }
}
