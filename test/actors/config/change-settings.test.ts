/** `config set`, `unset`, `add` and `remove`: what becomes of the file. */
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { explainSettingWarning } from "../../../src/messages/explain/settings.ts"
import { settingsTable } from "../../../src/messages/settings/settings-table.ts"
import { change, configBench, get, set, unset, version2 } from "./config-bench.ts"

const { bench, file, toml, written, answer, refusal } = configBench()

const topics = async (key = "c8y.smartrest.templates") => (await answer(get(key))).value

describe("config set", () => {
  it("makes the first file, with its version", async () => {
    expect((await answer(set("device.cryptoki.mode", "module"))).warnings).toEqual([])
    expect(written()).toBe('[config]\nversion = "2"\n\n[device.cryptoki]\nmode = "module"\n')
    expect(bench.events).toEqual([{ _tag: "SettingChanged", key: "device.cryptoki.mode", path: file() }])
    expect(bench.locks).toEqual([`${file()}.lock`])
  })

  it.each(["device.key_uri", "device.cryptoki.uri", "c8y.device.key_uri", "c8y.profiles.p.device.key_uri"])(
    "refuses for %s what is not a valid PKCS#11 URI, without its PIN, and writes nothing",
    async (key) => {
      for (const value of ["my-key", "pkcs11:token", "pkcs11:token=a;token=b", "pkcs11:object=%zz?pin-value=4711"]) {
        const refused = await refusal(set(key, value))
        expect(refused).toMatchObject({ _tag: "InvalidSetting", key, problem: { kind: "bad-pkcs11-uri" } })
        expect(JSON.stringify(refused)).not.toContain("4711")
      }
      expect(written).toThrow("ENOENT")
      await answer(set(key, "pkcs11:token=a;object=b"))
    }
  )

  it.each([
    ["aws.bridge.keepalive_interval", ["29s", "1201s", "0", "20m 1s"], ["30s", "20m", "1200"]],
    ["az.bridge.keepalive_interval", ["1768s", "0s", "30m"], ["1767s", "29m", "5s"]],
    ["az.profiles.p.bridge.keepalive_interval", ["1768s"], ["60s"]],
    ["c8y.bridge.keepalive_interval", [], ["0", "65535s"]],
    ["device.id", ["a#b", "a+b"], ["a/b"]],
    ["c8y.device.id", ["a#b", "+"], ["a/b"]],
    ["az.device.id", ["a#", "a+b", "a/b", "a b", "ä", "x".repeat(129)], ["a.b:c-d_e@f", "a;b", "x".repeat(128)]],
    ["aws.profiles.p.device.id", ["#", "+", "a/b", "x".repeat(129)], ["a:b-c_d"]]
  ])("refuses for %s what the cloud refuses: %s", async (key, wrong, right) => {
    for (const value of wrong) expect(await refusal(set(key, value))).toMatchObject({ _tag: "InvalidSetting", key })
    expect(written).toThrow("ENOENT")
    for (const value of right) await answer(set(key, value))
  })

  it.each([
    "c8y.topics",
    "az.topics",
    "aws.profiles.p.topics",
    "c8y.bridge.include.local_cleansession",
    "az.mapper.timestamp"
  ])("says of %s that it has no effect", async (key) => {
    const value = key.endsWith("cleansession") || key.endsWith("timestamp") ? "false" : "te/+/+/+/+/m/+"
    expect((await answer(set(key, value))).warnings).toContainEqual({ kind: "no-effect", key })
    if (key.endsWith("topics"))
      expect((await answer(change("Add", key, "te/x"))).warnings).toContainEqual({ kind: "no-effect", key })
    expect((await answer(set(key, ""))).warnings).toEqual([])
  })

  it("makes the directory on a fresh device", async () => {
    rmSync(bench.dir, { recursive: true })
    await answer(set("device.type", "x"))
    expect((await answer(get("device.type"))).value).toBe("x")
  })

  it("keeps comments, order, unknown keys and the rest to the byte", async () => {
    const text = version2('\n# mine\n[device] # here\ntype = "a" # type\nnonsense = [ 1,2 ]\n\n# tail\n')
    toml(text)
    await answer(set("device.type", "b"))
    expect(written()).toBe(text.replace('"a"', '"b"'))
  })

  it("sets and gets every setting, and unset brings the default back", async () => {
    for (const { key, type, examples = [], certificateName } of settingsTable) {
      const example = type.kind === "boolean" ? "false" : (examples[0] ?? "x")
      if (certificateName !== undefined || type.kind === "proxy-url") continue
      const before = (await answer(get(key))).value
      await answer(set(key, example))
      const { value, source } = await answer(get(key))
      expect([key, value === undefined, source?.kind]).toEqual([key, false, "file"])
      await answer(unset(key))
      expect([key, (await answer(get(key))).value]).toEqual([key, before])
    }
  })

  it("reads back any text", () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1 }), async (text) => {
        await answer(set("device.cryptoki.pin", text))
        expect((await answer(get("device.cryptoki.pin"))).value).toBe(text)
      }),
      { numRuns: 30 }
    ))

  it("takes an empty value for unset", async () => {
    await answer(set("device.type", "x"))
    await answer(set("device.type", ""))
    expect((await answer(get("device.type"))).value).toBe("thin-edge.io")
  })

  it("joins a relative path to the working directory", async () => {
    await answer(set("device.key_path", "certs/../key.pem"))
    expect((await answer(get("device.key_path"))).value).toBe("/elsewhere/key.pem")
  })

  it("replaces older names, and takes the words of device.cryptoki.enable", async () => {
    toml(version2("[mqtt]\nport = 1884 # old\n"))
    await answer(set("mqtt.bind.port", "1885"))
    expect(written()).toBe(version2("[mqtt]\n\n[mqtt.bind]\nport = 1885\n"))
    const { warnings } = await answer(set("device.cryptoki.enable", "true"))
    expect(warnings).toMatchObject([
      { kind: "deprecated-key", given: "device.cryptoki.enable", key: "device.cryptoki.mode" }
    ])
    expect((await answer(get("device.cryptoki.mode"))).value).toBe("module")
  })

  it("writes the profile of TEDGE_CLOUD_PROFILE, of --profile, or of the key", async () => {
    await answer(set("c8y.url", "a.example"), { TEDGE_CLOUD_PROFILE: "a" })
    await answer(set("c8y.url", "b.example", "B"))
    await answer(set("c8y.profiles.c.url", "c.example"))
    await answer(set("device.type", "x"), { TEDGE_CLOUD_PROFILE: "a" })
    for (const profile of ["a", "b", "c"])
      expect((await answer(get("c8y.url", profile))).value).toBe(`${profile}.example`)
  })

  it("never writes what the environment or an option says", async () => {
    await answer(set("device.type", "x"), { TEDGE_DEVICE_CRYPTOKI_PIN: "1234" }, { "device.cryptoki.uri": "pkcs11:" })
    expect(written()).not.toMatch(/1234|pkcs11/)
  })

  it("refuses a wrong value, and keeps a secret one to itself", async () => {
    const refused = await refusal(set("mqtt.bind.port", "0"))
    expect(refused).toMatchObject({
      _tag: "InvalidSetting",
      key: "mqtt.bind.port",
      value: "0",
      source: { kind: "argument" }
    })
    expect(readdirSync(bench.dir)).toEqual([])
  })

  it("shows no password of a URL that is refused", async () => {
    const shown = { _tag: "InvalidSetting", key: "proxy.address", value: "http://u:******@h:1" }
    expect(await refusal(set("proxy.address", "http://u:geheim@h:1"))).toMatchObject(shown)
    expect(await refusal(get("proxy.address"), { TEDGE_PROXY_ADDRESS: "http://u:geheim@h:1" })).toMatchObject(shown)
    toml(version2('[proxy]\naddress = "http://u:geheim@h:1"\n'))
    expect(await refusal(get("proxy.address"))).toMatchObject(shown)
  })

  it("puts a wrong value in the file right", async () => {
    toml(version2("[device.cryptoki]\nmode = 'on'\n[mqtt.bind]\nport = 'x'\n"))
    await answer(set("device.cryptoki.mode", "off"))
    await answer(unset("mqtt.bind.port"))
    expect((await answer(get("device.cryptoki.mode"))).value).toBe("off")
  })

  it("brings a version 1 file to version 2 when it is written, not when it is read", async () => {
    const text = "# old\n[mqtt]\nport = 1884 # local\nclient_host = 'h'\n"
    toml(text)
    expect((await answer(get("mqtt.bind.port"))).value).toBe("1884")
    expect(written()).toBe(text)
    await answer(set("device.type", "x"))
    expect(written()).toContain("# old")
    expect(written()).toContain('version = "2"')
    expect((await answer(get("mqtt.bind.port"))).value).toBe("1884")
    expect((await answer(get("mqtt.client.host"))).value).toBe("h")
  })

  it("leaves a version 1 file without older names as it is, but for the key", async () => {
    toml("[device]\ntype = 'a'\n")
    await answer(set("device.type", "b"))
    expect(written()).toBe('[device]\ntype = "b"\n')
  })

  it("does not touch the file when nothing changes", async () => {
    await answer(set("device.type", "x"))
    const { ino } = statSync(file())
    await answer(set("device.type", "x"))
    await answer(unset("c8y.url"))
    expect(statSync(file()).ino).toBe(ino)
    expect(bench.events).toHaveLength(1)
  })
})

describe("the file's mode", () => {
  const mode = () => (statSync(file()).mode & 0o777).toString(8)

  it.each([
    ["device.key_uri", "pkcs11:token=a?pin-value=1234"],
    ["device.key_pin", "1234"]
  ])("is 640 while %s with a PIN is in it", async (key, value) => {
    toml(version2(`[c8y]\n[device]\nid = "x"\n${key.slice("device.".length)} = "${value}"\n`))
    await answer(set("device.type", "x"))
    expect(mode()).toBe("640")
    await answer(unset(key))
    expect(mode()).toBe("644")
  })

  it("stays closed where the user closed it", async () => {
    await answer(set("device.type", "x"))
    chmodSync(file(), 0o600)
    await answer(set("device.type", "y"))
    expect(mode()).toBe("600")
  })
})

describe.runIf(process.getuid?.() === 0)("the file's owner, set by root", () => {
  const owner = () => [statSync(file()).uid, statSync(file()).gid]

  it("is user and group of system.toml", async () => {
    writeFileSync(join(bench.dir, "system.toml"), 'user = "daemon"\ngroup = "4242"\n')
    expect((await answer(set("device.type", "x"))).warnings).toEqual([])
    expect(owner()).toEqual([1, 4242])
  })

  it("is reported if system.toml names an unknown user", async () => {
    writeFileSync(join(bench.dir, "system.toml"), 'user = "nobody-by-this-name"\ngroup = "daemon"\n')
    expect((await answer(set("device.type", "x"))).warnings).toMatchObject([
      { kind: "owner-unknown", path: file(), failure: { _tag: "ServiceUserUnknown", name: "nobody-by-this-name" } }
    ])
  })

  it("is reported with the reason if root does not use system.toml", async () => {
    writeFileSync(join(bench.dir, "system.toml"), 'user = "root"\n')
    chownSync(join(bench.dir, "system.toml"), 1, 1)
    const [warning] = (await answer(set("device.type", "x"))).warnings
    expect(warning && explainSettingWarning(warning)).toEqual({
      error: `the owner of '${file()}' was not changed: root does not use '${bench.dir}/system.toml': user 'daemon' can write it, and it decides what root runs`,
      hint: `sudo chown root:root '${bench.dir}/system.toml' && sudo chmod 644 '${bench.dir}/system.toml'`
    })
  })

  it("stays as it is when system.toml says so", async () => {
    writeFileSync(join(bench.dir, "system.toml"), "user = ''\ngroup = ''\n")
    await answer(set("device.type", "x"))
    chownSync(file(), 1, 2)
    await answer(set("device.type", "y"))
    expect(owner()).toEqual([1, 2])
  })
})

describe("config unset", () => {
  it("removes the line, and a profile that has nothing left", async () => {
    const text = version2('[c8y]\nurl = "t.example"\n')
    toml(text)
    await answer(set("c8y.device.key_uri", "pkcs11:", "p"))
    await answer(unset("c8y.device.key_uri", "p"))
    expect(written().trim()).toBe(text.trim())
    expect(await refusal(get("c8y.url", "p"))).toMatchObject({ _tag: "UnknownProfile" })
    await answer(unset("c8y.url"))
    expect((await answer(get("c8y.url"))).value).toBeUndefined()
  })

  it("of the only setting of the only profile leaves an empty file", async () => {
    toml(version2('[az.profiles.p]\nurl = "a.example"\n'))
    await answer(unset("az.url", "p"))
    expect(written().trim()).toBe(version2("").trim())
  })

  it("reaches values in inline tables", async () => {
    toml(`c8y = { url = "t.example", device = { key_pin = "1" } } # c\n${version2("")}`)
    await answer(unset("c8y.device.key_pin"))
    expect(written()).not.toContain("key_pin")
    expect((await answer(get("c8y.url"))).value).toBe("t.example")
  })
})

describe("config add and remove", () => {
  it("keep a set sorted and without doubles", async () => {
    const key = "c8y.smartrest.templates"
    await answer(change("Add", key, "b"))
    await answer(change("Add", key, "c,a,b"))
    expect(await topics()).toBe('["a", "b", "c"]')
    await answer(change("Remove", key, "b,x"))
    expect(await topics()).toBe('["a", "c"]')
    await answer(change("Remove", key, "x"))
    expect(await topics()).toBe('["a", "c"]')
    await answer(change("Remove", key, "a,c"))
    expect(await topics()).toBe("[]")
  })

  it("start from the files, not from the environment", async () => {
    const key = "c8y.smartrest.templates"
    await answer(set(key, "a"))
    const environment = { TEDGE_C8Y_SMARTREST_TEMPLATES: "x,y", TEDGE_DEVICE_TYPE: "t" }
    await answer(change("Add", key, "b"), environment)
    expect((await answer(get(key))).value).toBe('["a", "b"]')
    await answer(change("Remove", key, "a"), environment)
    expect((await answer(get(key))).value).toBe('["b"]')
    await answer(set("device.type", "u"))
    await answer(change("Remove", "device.type", "t"), environment)
    await answer(change("Remove", "device.type", "u"), environment)
    expect((await answer(get("device.type"))).value).toBe("thin-edge.io")
  })

  it("start from the default", async () => {
    await answer(change("Add", "diag.plugin_paths", "/a"))
    expect(await topics("diag.plugin_paths")).toBe('["/a", "/usr/share/tedge/diag-plugins"]')
    await answer(change("Remove", "diag.plugin_paths", "/a"))
    expect(await topics("diag.plugin_paths")).toBe('["/usr/share/tedge/diag-plugins"]')
  })

  it("replace a single value, and unset it if it is the one named", async () => {
    await answer(change("Add", "device.type", "a"))
    await answer(change("Add", "device.type", "b"))
    expect((await answer(get("device.type"))).value).toBe("b")
    await answer(change("Remove", "device.type", "a"))
    expect((await answer(get("device.type"))).value).toBe("b")
    await answer(change("Remove", "device.type", "b"))
    expect((await answer(get("device.type"))).value).toBe("thin-edge.io")
  })
})

describe("a file that cannot be written", () => {
  it("is reported with the code, and is unchanged", async () => {
    await answer(set("device.type", "x"))
    mkdirSync(join(bench.dir, ".tedge.toml.tmp"))
    expect(await refusal(set("device.type", "y"))).toMatchObject({ _tag: "ConfigFileNotWritten", step: "create" })
    expect((await answer(get("device.type"))).value).toBe("x")
  })
})
