/** A configured device with token, local broker and cloud, and what a person beside it would do by hand. */
import { createDevice, type Device, executable } from "../../../scripts/lib/device/device.mjs"
import { processesOf } from "../../../scripts/lib/processes.mjs"
import { mustRun, run } from "../../../scripts/lib/run.mjs"

export { createDevice, type Device, executable, processesOf }

/** Publishes at the device, QoS 1. Ends when the local broker has it. */
export const publishLocal = (device: Device, topic: string, payload: string) =>
  mustRun("mosquitto_pub", ["-p", String(device.broker.port), "-q", "1", "-t", topic, "-m", payload])

/** The next message on a topic of the local broker (a retained one counts), or undefined. */
export const nextLocal = async (device: Device, topic: string, seconds = 30): Promise<string | undefined> => {
  const args = ["-p", String(device.broker.port), "-q", "1", "-t", topic, "-C", "1", "-W", String(seconds)]
  const { code, stdout } = await run("mosquitto_sub", args)
  return code === 0 ? stdout.trimEnd() : undefined
}

/** Sends from the cloud when a local subscriber is there, and answers what that one received. */
export const sendFromCloud = async (device: Device, topic: string, payload: string): Promise<string | undefined> => {
  const subscriptions = () => device.broker.log().split(`\tc8y/${topic} (QoS 1)`).length
  const before = subscriptions()
  const received = nextLocal(device, `c8y/${topic}`)
  await eventually(() => subscriptions() > before)
  await device.cloud.publish(topic, payload)
  return received
}

/** Health as thin-edge publishes it, retained. */
export const healthOf = async (device: Device, service: string): Promise<Record<string, unknown> | undefined> => {
  const text = await nextLocal(device, `te/device/main/service/${service}/status/health`)
  return text === undefined || text === "" ? undefined : JSON.parse(text)
}

/** Looks again and again until `done` is true. */
export const eventually = async (done: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> => {
  const deadline = performance.now() + limitMs
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${done}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** What runs for this device besides its two brokers. */
export const servicesOf = (device: Device) =>
  processesOf(device.dir).filter(({ command }) => !command.includes("mosquitto"))
