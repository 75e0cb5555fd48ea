/** A pending pause of the cloud's link ends when the network comes back: in a network namespace. Needs `npm run build`. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, describe, it } from "vitest"
import { configureMapper, mapperProcess } from "../../../support/device/mapper-process.ts"
import { mayUnshareNetwork, type NetworkNamespace, networkNamespace } from "../../../support/network-namespace.ts"
import { testPki } from "../../../support/tls/pki.ts"

let leave: Array<() => void> = []

afterEach(() => {
  for (const go of leave.toReversed()) go()
  leave = []
})

const address = "198.51.100.7"

/** The network of a device, and behind its cable the cloud at `address`, which is on another network. */
const cabled = async (): Promise<readonly [NetworkNamespace, NetworkNamespace]> => {
  const device = await networkNamespace()
  leave.push(device.end)
  const cloud = await networkNamespace()
  leave.push(cloud.end)
  device.ip("link", "add", "d0", "type", "veth", "peer", "name", "c0", "netns", String(cloud.pid))
  cloud.ip("addr", "add", "192.0.2.254/24", "dev", "c0")
  cloud.ip("addr", "add", `${address}/32`, "dev", "lo")
  cloud.ip("link", "set", "c0", "up")
  return [device, cloud]
}

describe.skipIf(!mayUnshareNetwork())("a mapper that waits minutes for its next attempt", () => {
  it.each([
    { comes: "an address", first: [], change: ["addr add 192.0.2.1/24 dev d0", "route add default via 192.0.2.254"] },
    { comes: "a default route", first: ["addr add 192.0.2.1/24 dev d0"], change: ["route add default via 192.0.2.254"] }
  ])("is connected within seconds when $comes appears", async ({ first, change }) => {
    const dir = mkdtempSync(join(tmpdir(), "tedge-network-"))
    leave.push(() => rmSync(dir, { recursive: true, force: true }))
    const pki = testPki({ deviceId: "dev01", serverNames: `IP:${address}` })
    leave.push(pki.remove)
    const [device, cloud] = await cabled()
    writeFileSync(
      join(dir, "mosquitto.conf"),
      `listener 8883 ${address}
allow_anonymous true
user root
certfile ${pki.serverCertFile}
keyfile ${pki.serverKeyFile}
cafile ${pki.caFile}
require_certificate true
`
    )
    const broker = spawn(cloud.enter[0], [...cloud.enter.slice(1), "mosquitto", "-c", join(dir, "mosquitto.conf")])
    leave.push(() => broker.kill("SIGKILL"))
    const more = '[mqtt.bridge.reconnect_policy]\ninitial_interval = "10m"\nmaximum_interval = "10m"\n'
    configureMapper({ dir, pki, localPort: 1, more })
    device.ip("link", "set", "d0", "up")
    const apply = (line: string) => device.ip(...line.split(" "))
    first.forEach(apply)
    const mapper = mapperProcess(dir, ["c8y"], { TEDGE_C8Y_MQTT: `${address}:8883` }, device.enter)
    leave.push(() => mapper.child.kill("SIGKILL"))
    await mapper.says(/\[cloud\] MQTT bridge failed to connect .*next attempt in \d{3} s/)
    change.forEach(apply)
    await mapper.says(/\[cloud\] MQTT bridge reconnecting to cloud broker now: the network has changed/)
    await mapper.says(/\[cloud\] MQTT bridge connected to cloud broker/)
  })
})
