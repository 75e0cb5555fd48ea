/** The types of settings, under short names for the table. */
import type { DeviceIdRule, SettingType } from "./setting.ts"

export const text: SettingType = { kind: "text" }
export const pkcs11Uri: SettingType = { kind: "text", pkcs11Uri: true }
export const path: SettingType = { kind: "path" }
export const boolean: SettingType = { kind: "boolean" }
export const host: SettingType = { kind: "host" }
export const hostPort = (defaultPort: number): SettingType => ({ kind: "host-port", defaultPort })
export const ip: SettingType = { kind: "ip" }
export const duration: SettingType = { kind: "duration" }
export const keepAlive: SettingType = { kind: "keep-alive" }
/** docs.aws.amazon.com/general/latest/gr/iot-core.html, MQTT keep-alive: 30 to 1,200 seconds. */
export const keepAliveOfAws: SettingType = { kind: "keep-alive", cloud: { minSeconds: 30, maxSeconds: 1200 } }
/**
 * The hub waits 1.5 times the keep-alive, and at most 1,767 seconds: a client may announce 1,177 at most.
 * Source: learn.microsoft.com, "Communicate with an IoT hub using the MQTT protocol", default keep-alive timeout.
 */
export const keepAliveOfAzure: SettingType = {
  kind: "keep-alive",
  cloud: { minSeconds: 1, maxSeconds: 1767, announcedSeconds: 1177 }
}
export const deviceId = (rule: DeviceIdRule): SettingType => ({ kind: "text", deviceId: rule })
export const set: SettingType = { kind: "set" }
export const textInTopic: SettingType = { kind: "text", inTopic: true }
export const setInTopic: SettingType = { kind: "set", inTopic: true }
export const limits: SettingType = { kind: "limits" }
export const topicPrefix: SettingType = { kind: "topic-prefix" }
export const topicId: SettingType = { kind: "topic-id" }
export const proxyUrl: SettingType = { kind: "proxy-url" }
export const port: SettingType = { kind: "integer", min: 0, max: 65535 }
export const portNotZero: SettingType = { kind: "integer", min: 1, max: 65535 }
export const unsigned: SettingType = { kind: "integer", min: 0, max: 4294967295 }
/** MQTT 3.1.1, 2.2.3: a packet has at most 268,435,455 bytes after its fixed header. */
export const payloadSize: SettingType = { kind: "integer", min: 1, max: 268435455 }
/** Messages per second; 0: unlimited. */
export const publishRate: SettingType = { kind: "integer", min: 0, max: 1_000_000 }
/** Octal, as for chmod. */
export const fileMode: SettingType = { kind: "file-mode" }
export const choice = (...choices: ReadonlyArray<string>): SettingType => ({ kind: "choice", choices })
