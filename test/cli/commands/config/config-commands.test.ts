/** What the commands of `tedge config` print, and with which code they end. */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { CommandInput } from "../../../../src/cli/command-line/command-spec.ts"
import type { ConfigCommand } from "../../../../src/cli/commands/config/config-command.ts"
import { configList, docText } from "../../../../src/cli/commands/config/list.ts"
import { configAdd, configGet, configSet, configUnset } from "../../../../src/cli/commands/config/settings-commands.ts"
import { makeTerminal } from "../../../../src/cli/terminal/terminal.ts"
import { everythingOurs } from "../../../../src/messages/installation/installation.ts"
import { configBench, version2 } from "../../../actors/config/config-bench.ts"

const { bench, toml, written, answer } = configBench()

interface Given {
  readonly words?: Readonly<Record<string, string>>
  readonly on?: ReadonlyArray<string>
  readonly profile?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** As the command line calls it: the option `--profile` also answers its variable. */
const run = async (command: ConfigCommand, { words = {}, on = [], profile, environment = {} }: Given) => {
  const printed = { stdout: "", stderr: "" }
  const stream = (name: keyof typeof printed) => ({
    write: (text: string) => {
      printed[name] += text
    }
  })
  const terminal = makeTerminal({ stdout: stream("stdout"), stderr: stream("stderr"), environment: {} })
  const input: CommandInput = {
    command: "config",
    text: () => profile ?? environment.TEDGE_CLOUD_PROFILE,
    secret: () => undefined,
    on: (name) => on.includes(name),
    given: () => profile !== undefined,
    argument: (name) => words[name],
    cloud: undefined,
    installation: everythingOurs
  }
  const code = await answer(
    (config): Effect.Effect<number> => command({ config, input, terminal, stdoutIsTerminal: false }),
    environment
  )
  return { code, ...printed }
}

const get = (key: string, given: Given = {}) => run(configGet, { ...given, words: { KEY: key } })
const list = (filter: string, ...on: ReadonlyArray<string>) => run(configList, { words: { FILTER: filter }, on })

describe("tedge config get", () => {
  it("prints the value on stdout and nothing else", async () => {
    toml(version2('[device]\nkey_uri = "pkcs11:token=a?pin-value=1"\n[c8y]\nurl = "t.example"\ntopics = ["a", "b"]\n'))
    expect(await get("c8y.mqtt")).toMatchObject({ code: 0, stdout: "t.example:8883\n" })
    expect(await get("c8y.topics")).toMatchObject({ code: 0, stdout: '["a", "b"]\n' })
    expect(await get("device.key_uri")).toMatchObject({ code: 0, stdout: "pkcs11:token=a?pin-value=1\n" })
    expect(await get("device.type")).toMatchObject({ stdout: "thin-edge.io\n" })
  })

  it("ends with 1 and says so on stderr when nothing is set", async () => {
    expect(await get("c8y.url")).toEqual({
      code: 1,
      stdout: "",
      stderr: "error: The provided config key: 'c8y.url' is not set\n"
    })
    const { code, stdout, stderr } = await get("device.id")
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toContain("'device.id' is not configured: The device id is read from the device certificate")
  })

  it("names the setting by its own name, with a warning, when it was asked for by an older one", async () => {
    const { code, stderr } = await get("mqtt.external.capath")
    expect(code).toBe(1)
    expect(stderr).toBe(
      "warning: The key 'mqtt.external.capath' is deprecated. Use 'mqtt.external.ca_path' instead.\n" +
        "error: The provided config key: 'mqtt.external.ca_path' is not set\n"
    )
  })

  it("ends with 2 for a key that does not exist", async () => {
    const { code, stdout, stderr } = await get("does.not.exist")
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain("Unknown tedge config key: 'does.not.exist'")
  })

  it("takes the profile of the environment for cloud settings, and leaves the others alone", async () => {
    toml(version2('[c8y.profiles.p]\nurl = "p.example"\n'))
    const environment = { TEDGE_CLOUD_PROFILE: "p" }
    expect((await get("c8y.url", { environment })).stdout).toBe("p.example\n")
    expect(await get("device.type", { environment })).toMatchObject({ code: 0, stdout: "thin-edge.io\n" })
    expect(await get("device.type", { profile: "p" })).toMatchObject({ code: 2 })
  })

  it("warns once of each unknown variable, and works", async () => {
    const { code, stderr } = await get("device.type", { environment: { TEDGE_C8Y_UNKNOWN: "1" } })
    expect(code).toBe(0)
    expect(stderr).toBe(
      'warning: Unknown configuration field "c8y_unknown" from environment variable TEDGE_C8Y_UNKNOWN\n'
    )
  })
})

describe("tedge config set", () => {
  it("is silent", async () => {
    const done = await run(configSet, { words: { KEY: "c8y.url", VALUE: "t.example" } })
    expect(done).toEqual({ code: 0, stdout: "", stderr: "" })
    expect(await run(configAdd, { words: { KEY: "c8y.smartrest.templates", VALUE: "x" } })).toMatchObject({
      code: 0,
      stderr: ""
    })
    expect(await run(configUnset, { words: { KEY: "c8y.smartrest.templates" } })).toMatchObject({ code: 0, stderr: "" })
    expect(await get("c8y.url")).toMatchObject({ stdout: "t.example\n", stderr: "" })
  })

  it("says what the cloud takes, in its own words", async () => {
    const set = async (KEY: string, VALUE: string) => (await run(configSet, { words: { KEY, VALUE } })).stderr
    expect(await set("aws.bridge.keepalive_interval", "10s")).toContain("from 30s to 1200s only")
    expect(await set("az.url", "https://myhub.azure-devices.net")).toContain("eg: 'myhub.azure-devices.net'")
    expect(await set("aws.profiles.p.url", "a b")).toContain("amazonaws.com")
    expect(await set("az.device.id", "a/b")).toContain("this cloud does not allow '/' in a device id")
    expect(await set("az.topics", "te/#")).toContain("'az.topics' has no effect with the built-in bridge")
  })

  it("ends with 1 for a wrong value, and shows no wrong secret", async () => {
    const wrong = await run(configSet, { words: { KEY: "device.cryptoki.mode", VALUE: "on" } })
    expect(wrong).toMatchObject({ code: 1, stdout: "" })
    expect(wrong.stderr).toContain("Supported values are: off, module, socket")
  })

  it.each(["c8y", "az", "aws"])("refuses a keep-alive that MQTT cannot say: %s", async (cloud) => {
    const key = `${cloud}.bridge.keepalive_interval`
    for (const value of ["2d", "400ms"]) {
      const { code, stderr } = await run(configSet, { words: { KEY: key, VALUE: value } })
      expect(code).toBe(1)
      expect(stderr).toContain("it must be between 1s and 65535s, or 0 for none")
    }
    expect(await run(configSet, { words: { KEY: key, VALUE: "0" } })).toMatchObject({ code: cloud === "c8y" ? 0 : 1 })
    rmSync(join(bench.dir, "mappers"), { recursive: true, force: true })
    toml(version2(`[${cloud}.bridge]\nkeepalive_interval = "2d"\n`))
    expect(await get(key)).toMatchObject({ code: 1, stderr: expect.stringContaining("between 1s and 65535s") })
  })
})

describe("tedge config list", () => {
  it("prints what has a value, and with --all what has none", async () => {
    toml(version2('[c8y]\nurl = "t.example"\n[c8y.profiles.p]\nurl = "p.example"\n'))
    expect((await list("device.cryptoki")).stdout).toBe(
      "device.cryptoki.mode=off\ndevice.cryptoki.socket_path=/run/tedge-p11-server/tedge-p11-server.sock\n"
    )
    expect((await list("device.cryptoki", "all")).stdout).toBe(
      "device.cryptoki.mode=off\ndevice.cryptoki.socket_path=/run/tedge-p11-server/tedge-p11-server.sock\n" +
        "\ndevice.cryptoki.module_path=\ndevice.cryptoki.pin=\ndevice.cryptoki.uri=\n"
    )
    expect((await list(".url")).stdout).toBe("c8y.url=t.example\nc8y.profiles.p.url=p.example\n")
    expect((await list("mqtt.bind", "all")).stdout).not.toContain("\n\n")
  })

  it("has the settings of a group before those of its subgroups", async () => {
    const keys = (await list("mqtt.client", "all")).stdout.split("\n").map((line) => line.split("=")[0])
    expect(keys.slice(0, 2)).toEqual(["mqtt.client.host", "mqtt.client.port"])
    expect(keys.indexOf("mqtt.client.auth.ca_file")).toBeGreaterThan(1)
  })

  it.each(["plain", "all"] as const)("says that no key has the filter: %s", async (option) => {
    const listed = await (option === "all" ? list("nope", "all") : list("nope"))
    expect(listed).toEqual({
      code: 2,
      stdout: "",
      stderr: "error: no key contains 'nope'\nhint: list the keys with: tedge config list --all\n"
    })
  })

  it("prints nothing when no key that has the filter has a value", async () => {
    expect(await list("proxy.address")).toEqual({ code: 0, stdout: "", stderr: "" })
  })

  it("masks PINs and passwords", async () => {
    toml(
      version2(
        '[device]\nkey_pin = "1234"\nkey_uri = "pkcs11:token=a?pin-value=1234&module-name=m"\ncryptoki.pin = "1234"\n[proxy]\npassword = "1234"\n'
      )
    )
    const { stdout } = await list("")
    expect(stdout).not.toContain("1234")
    expect(stdout).toContain("device.key_uri=pkcs11:token=a?pin-value=******&module-name=m\n")
    expect(stdout).toContain("device.cryptoki.pin=******\n")
  })
})

describe("tedge config list --doc", () => {
  const golden = (name: string) =>
    readFileSync(join(import.meta.dirname, `../../golden/config-list-doc-${name}.txt`), "utf8")
  /** The documents print the empty lines between keys in one block only. */
  const dense = (text: string) => text.replaceAll("\n\n", "\n")

  it.each([
    ["device.cryptoki", "device-cryptoki"],
    ["key_uri", "key-uri"],
    ["key_pin", "key-pin"]
  ])("%s is what hsm-support prints, to the letter", (filter, name) => {
    expect(docText(filter, true)).toBe(dense(golden(name)))
    expect(dense(docText(filter, false))).toBe(dense(golden(name)))
  })

  it("parts the keys with empty lines when stdout is no terminal", async () => {
    expect((await list("key_uri", "doc")).stdout).toBe(golden("key-uri"))
  })

  it("needs no usable file", async () => {
    toml("[broken\n")
    expect(await list("device.type", "doc")).toMatchObject({ code: 0, stderr: "" })
  })

  it("says that no key has the filter", async () => {
    expect(await list("nope", "doc")).toEqual({
      code: 2,
      stdout: "",
      stderr: "error: no key contains 'nope'\nhint: list the keys with: tedge config list --all\n"
    })
    expect((await list("device.cryptoki.pim", "doc")).stderr).toContain("did you mean 'device.cryptoki.pin'?")
  })
})

describe("the settings of tedge-p11-server", () => {
  it("are set, shown, listed, documented and unset as any other, and rules stay as they are", async () => {
    const rules = "[[p11_server.rules]]\nuid = 1000\n"
    toml(version2(rules))
    expect(await run(configSet, { words: { KEY: "p11_server.socket_mode", VALUE: "600" } })).toMatchObject({ code: 0 })
    expect(await get("p11_server.socket_mode")).toEqual({ code: 0, stdout: "600\n", stderr: "" })
    expect(written()).toContain(rules)
    expect((await list("p11_server")).stdout).toContain("p11_server.socket_mode=600\n")
    expect(docText("p11_server.socket", false)).toMatch(/p11_server\.socket_mode {2}The permissions of the socket/)
    expect(await run(configUnset, { words: { KEY: "p11_server.socket_mode" } })).toMatchObject({ code: 0 })
    expect(await get("p11_server.socket_mode")).toMatchObject({ stdout: "660\n" })
  })

  it.each([
    ["p11_server.socket_mode", "rw-", "octal"],
    ["p11_server.max_connections", "0", "between 1 and 10000"],
    ["p11_server.request_timeout", "soon", "duration"],
    ["p11_server.log_level", "loud", "error, warn, info"]
  ])("refuse %s = %s", async (key, value, reason) => {
    toml(version2(""))
    const { code, stderr } = await run(configSet, { words: { KEY: key, VALUE: value } })
    expect(code).toBe(1)
    expect(stderr).toContain(reason)
  })
})
