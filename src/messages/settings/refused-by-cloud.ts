/**
 * Valid values that a cloud refuses, or that have no effect: reported when they are set.
 *
 * Sources: docs.aws.amazon.com/general/latest/gr/iot-core.html (client id of 128 bytes, keep-alive); learn.microsoft.com,
 * "Understand the identity registry in your IoT hub" and Event Grid, DeviceLifeCycleEvent (deviceId: their lists of
 * characters differ, each is accepted), "Communicate with an IoT hub using the MQTT protocol" (keep-alive).
 */
import { durationMs } from "./duration.ts"
import type { ValueProblem } from "./refused-value.ts"
import type { CloudKeepAlive, DeviceIdRule, SettingType } from "./setting.ts"

export const refusedByCloud = (type: SettingType, text: string): ValueProblem | undefined => {
  if (type.kind === "text" && type.deviceId !== undefined) return deviceIdProblem(type.deviceId, text)
  if (type.kind !== "keep-alive" || type.cloud === undefined) return undefined
  const { minSeconds, maxSeconds } = type.cloud
  const seconds = Math.ceil((durationMs(text) ?? 0) / 1000)
  return seconds >= minSeconds && seconds <= maxSeconds
    ? undefined
    : { kind: "cloud-keep-alive", minSeconds, maxSeconds }
}

/** The device id is a level of topics: wildcards are refused everywhere, other characters by the cloud it is for. */
export const deviceIdProblem = (rule: DeviceIdRule, id: string): ValueProblem | undefined => {
  const wildcard = /[#+]/.exec(id)?.[0]
  if (wildcard !== undefined) return { kind: "wildcard", character: wildcard }
  if (rule !== "az" && rule !== "aws") return undefined
  const character = otherCharacter[rule].exec(id)?.[0]
  if (character !== undefined) return { kind: "device-id-character", character }
  return Buffer.byteLength(id) > longestId ? { kind: "device-id-too-long", max: longestId } : undefined
}

/** The value announced to the cloud: one in a file that it refuses is replaced by the nearest that it accepts. */
export const keepAliveWithin = (cloud: CloudKeepAlive, seconds: number): number => {
  const longest = cloud.announcedSeconds ?? cloud.maxSeconds
  return seconds === 0 ? longest : Math.min(Math.max(seconds, cloud.minSeconds), longest)
}

const otherCharacter = { az: /[^A-Za-z0-9\-.%_*?!(),:;=@$']/u, aws: /[/\s]/u }

const longestId = 128

/** Valid, but without effect in this tedge: its bridge has fixed topics, and it maps no messages. */
export const hasNoEffect = (key: string): boolean =>
  key.startsWith("c8y.bridge.include.") ||
  /^(c8y|az|aws)\.topics$/.test(key) ||
  /^(az|aws)\.mapper\.timestamp/.test(key)
