/** Azure, AWS and a Cumulocity with user and password: connect, check, reconnect, disconnect, messages both ways. */
import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "../support/device/device.ts"
import { type CloudDevice, cloudDevice, stepsIn } from "./other-clouds/cloud-device.ts"
import { byCertificate } from "./other-clouds/played-cloud.ts"

let device: CloudDevice

/** What every cloud but Cumulocity shows. */
const steps = (mapper: string) => [
  "Waiting for mosquitto to be listening for connections... ✓",
  `Enabling ${mapper}... ✓`,
  "Verifying device is connected to cloud... ✓"
]

const expectSteps = async (words: ReadonlyArray<string>, expected: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await device.tedge(...words)
  expect(stepsIn(stderr), stderr).toEqual(expected)
  expect([code, stdout], stderr).toEqual([0, ""])
  return stderr
}

const expectReceived = (topic: string, payload: string) =>
  eventually(() => device.cloud.received.some(([on, what]) => on === topic && what === payload))

const expectArrival = async (remote: string, local: string, payload: string) => {
  const arrived = device.next(local)
  // QoS 1 and a persistent subscription of the bridge: only the local subscriber has to be there.
  const sending = setInterval(() => void device.cloud.publish(remote, payload), 500)
  expect(await arrived.finally(() => clearInterval(sending))).toBe(payload)
}

const expectDisconnected = async (words: ReadonlyArray<string>, mapper: string) => {
  await expectSteps(words, ["Removing bridge config file... ✓", `Disabling ${mapper}... ✓`])
  await eventually(() => device.services().length === 0)
}

describe("Azure", () => {
  const twin = "$iothub/twin"
  beforeAll(async () => {
    const answer = (topic: string) => {
      const id = /^\$iothub\/twin\/GET\/\?\$rid=(.+)$/.exec(topic)?.[1]
      return id === undefined ? undefined : ([`${twin}/res/200/?$rid=${id}`, "{}"] as const)
    }
    const topics = [`${twin}/GET/#`, "devices/#"]
    device = await cloudDevice({ access: byCertificate, topics, answer }, ({ host, pki }) =>
      [`az.url = "${host}"`, `az.root_cert_path = "${pki.caFile}"`].join("\n")
    )
  })
  afterAll(() => device?.close())

  it("is connected with the key in the token, by the user name it wants", async () => {
    const transcript = await expectSteps(["connect", "az"], steps("tedge-mapper-az"))
    expect(transcript).toContain("connect to Azure cloud.:")
    expect(transcript).toContain(`cloud host: ${device.cloud.host}:8883`)
    const login = `u'${device.cloud.host}/dev01/?api-version=2018-06-30'`
    expect(device.cloud.log()).toMatch(/New client connected from \S+ as dev01 \(/)
    expect(device.cloud.log()).toContain(login)
  })

  it("gets messages, and sends them", async () => {
    await device.publish("az/messages/events/", "23 C")
    await expectReceived("devices/dev01/messages/events/", "23 C")
    await expectArrival("devices/dev01/messages/devicebound/x", "az/messages/devicebound/x", "hello")
  })

  it("passes the connection test", async () => {
    const said = await expectSteps(["connect", "az", "--test"], ["Verifying device is connected to cloud... ✓"])
    expect(said).toContain("Connection check to az cloud is successful.")
  })

  it("reconnects and disconnects", async () => {
    const disconnecting = ["Removing bridge config file... ✓", "Disabling tedge-mapper-az... ✓"]
    await expectSteps(["reconnect", "az"], [...disconnecting, ...steps("tedge-mapper-az")])
    await expectDisconnected(["disconnect", "az"], "tedge-mapper-az")
    expect((await device.tedge("connect", "az", "--test")).code).toBe(1)
  })
})

describe("AWS, with a profile", () => {
  const profile = ["--profile", "plant"]
  beforeAll(async () => {
    device = await cloudDevice({ access: byCertificate, topics: ["thinedge/#"] }, ({ host, pki }) =>
      [
        ...[`aws.profiles.plant.url = "${host}"`, `aws.profiles.plant.root_cert_path = "${pki.caFile}"`],
        'aws.profiles.plant.bridge.topic_prefix = "aws-plant"'
      ].join("\n")
    )
  })
  afterAll(() => device?.close())

  it("is connected with the key in the token; what it echoes is the check", async () => {
    const transcript = await expectSteps(["connect", "aws", ...profile], steps("tedge-mapper-aws@plant"))
    expect(transcript).toContain("connect to AWS cloud.:")
    expect(transcript).toContain("cloud profile: plant")
    expect(existsSync(join(device.configDir, "mosquitto-conf", "aws@plant-bridge.conf"))).toBe(true)
    await expectReceived("thinedge/devices/dev01/test-connection", "")
  })

  it("gets messages, and sends them", async () => {
    await device.publish("aws-plant/td/temperature", "23 C")
    await expectReceived("thinedge/dev01/td/temperature", "23 C")
    await expectArrival("thinedge/dev01/cmd/x", "aws-plant/cmd/x", "hello")
  })

  it("passes the connection test", async () => {
    const words = ["connect", "aws", "--test", ...profile]
    const said = await expectSteps(words, ["Verifying device is connected to cloud... ✓"])
    expect(said).toContain("Connection check to aws cloud is successful.")
  })

  it("reconnects and disconnects, by the profile alone", async () => {
    const disconnecting = ["Removing bridge config file... ✓", "Disabling tedge-mapper-aws@plant... ✓"]
    const reconnecting = [...disconnecting, ...steps("tedge-mapper-aws@plant")]
    await expectSteps(["reconnect", "aws", ...profile], reconnecting)
    await expectDisconnected(["disconnect", "aws", ...profile], "tedge-mapper-aws@plant")
  })
})

describe("Cumulocity with user and password", () => {
  const login = { user: "t1/device_dev01", password: "s3cret-of-the-device" }
  beforeAll(async () => {
    const answer = (topic: string, payload: string) =>
      topic === "s/us" && payload === "123" ? (["s/ds", "124,dev01"] as const) : undefined
    const access = ({ dir }: { readonly dir: string }) => {
      const file = join(dir, "passwords")
      writeFileSync(file, "")
      spawnSync("mosquitto_passwd", ["-b", file, login.user, login.password])
      return ["allow_anonymous false", `password_file ${file}`]
    }
    device = await cloudDevice({ access, topics: ["s/us"], answer }, ({ host, pki }, dir) => {
      const credentials = join(dir, "credentials.toml")
      const content = `[c8y]\nusername = "${login.user}"\npassword = "${login.password}"\n`
      writeFileSync(credentials, content, { mode: 0o600 })
      return [
        ...[`c8y.url = "${host}"`, `c8y.root_cert_path = "${pki.caFile}"`, 'c8y.device.id = "dev01"'],
        ...['c8y.auth_method = "basic"', `c8y.credentials_path = "${credentials}"`]
      ].join("\n")
    })
  })
  afterAll(() => device?.close())

  const mapper = "tedge-mapper-c8y"
  const connecting = ["Creating device in Cumulocity cloud... ✓", ...steps(mapper)]

  it("is connected, and its password is shown nowhere", async () => {
    const transcript = await expectSteps(["connect", "c8y"], connecting)
    expect(transcript).toContain("auth type: Basic")
    expect(transcript).toContain("credentials path: ")
    expect(transcript).not.toMatch(/certificate file|cryptoki|key uri|s3cret/)
    expect(device.cloud.log()).toContain(`u'${login.user}'`)
    await expectReceived("s/us", "100,dev01,thin-edge.io")
  })

  it("gets messages, and sends them", async () => {
    await device.publish("c8y/s/us", "200,c8y_Temperature,T,25")
    await expectReceived("s/us", "200,c8y_Temperature,T,25")
    await expectArrival("s/ds", "c8y/s/ds", "510,dev01")
  })

  it("passes the connection test, which asks with 123", async () => {
    const words = ["connect", "c8y", "--test"]
    const said = await expectSteps(words, ["Verifying device is connected to cloud... ✓"])
    expect(said).toContain("Connection check to c8y cloud is successful.")
  })

  it("reconnects and disconnects", async () => {
    const disconnecting = ["Removing bridge config file... ✓", `Disabling ${mapper}... ✓`]
    await expectSteps(["reconnect", "c8y"], [...disconnecting, ...connecting])
    await expectDisconnected(["disconnect", "c8y"], mapper)
  })
})
