/** What ConfigActor answers to those who read, on real files in a directory of its own. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { ConfigProtocol } from "../../../src/messages/config.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { testPki } from "../../support/tls/pki.ts"
import { configBench, get, set, version2, within } from "./config-bench.ts"

const { bench, file, toml, written, answer, refusal } = configBench()

describe("reading a setting", () => {
  it("takes the option before the variable, the variable before the file, the file before the default", async () => {
    toml(version2('[device]\ntype = "from-file"\n'))
    const key = "device.type"
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "from-env" }, { [key]: "from-option" })).value).toBe(
      "from-option"
    )
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "from-env" })).value).toBe("from-env")
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "" })).value).toBe("from-file")
    rmSync(file())
    expect((await answer(get(key))).value).toBe("thin-edge.io")
  })

  it("reports the source of a value", async () => {
    toml(version2('[c8y]\nurl = "t.example"\n'))
    const source = async (key: string, environment = {}) => (await answer(get(key), environment)).source
    expect(await source("c8y.url")).toEqual({ kind: "file", path: file() })
    expect(await source("c8y.mqtt")).toEqual({ kind: "fallback", key: "c8y.url" })
    expect(await source("mqtt.bind.port")).toEqual({ kind: "default" })
    expect(await source("az.url", { TEDGE_AZ_URL: "a.example" })).toEqual({
      kind: "variable",
      variable: "TEDGE_AZ_URL"
    })
  })

  it("reads the device's id from its certificate, whatever is set", async () => {
    const certPath = certificate("/O=Acme/CN=my dévice, ü")
    toml(version2(`[device]\nid = "stored"\ncert_path = "${certPath}"\n`))
    expect((await answer(get("device.id"))).value).toBe("my dévice, ü")
    expect((await answer(get("az.device.id"))).value).toBe("my dévice, ü")
    writeFileSync(certPath, "no certificate")
    expect((await answer(get("device.id"))).value).toBe("stored")
  })

  it("reads a cloud's id from the certificate of the cloud only, else from what is set for it or the device", async () => {
    const certPath = certificate("/CN=of-device")
    const of = (set: string) => toml(version2(`[device]\n${set}cert_path = "${certPath}"\n`))
    const none = join(bench.dir, "none.pem")
    const ids = async (profile?: string) => {
      const { value, source, idProblem } = await answer(get("c8y.device.id", profile), {
        TEDGE_C8Y_DEVICE_CERT_PATH: none,
        TEDGE_C8Y_PROFILES_P_DEVICE_CERT_PATH: none
      })
      return [value, source, idProblem?.certPath]
    }
    of("")
    expect(await ids()).toEqual([undefined, undefined, none])
    expect(await ids("p")).toEqual([undefined, undefined, none])
    of('id = "set"\n')
    expect(await ids()).toEqual(["set", { kind: "fallback", key: "device.id" }, undefined])
    expect(await ids("p")).toEqual(["set", { kind: "fallback", key: "device.id" }, undefined])
    expect((await answer(get("device.id"))).value).toBe("of-device")
    expect((await answer(get("az.device.id"))).value).toBe("of-device")
  })

  it("says why there is no id", async () => {
    const missing = join(bench.dir, "device-certs/tedge-certificate.pem")
    const problem = async () => (await answer(get("device.id"))).idProblem
    expect(await problem()).toMatchObject({ certPath: missing, reason: "missing" })
    mkdirSync(missing, { recursive: true })
    expect(await problem()).toMatchObject({ reason: "unreadable", detail: "EISDIR" })
    rmSync(missing, { recursive: true })
    writeFileSync(missing, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    expect(await problem()).toMatchObject({ reason: "malformed" })
    writeFileSync(missing, readFileSync(certificate("/O=nobody")))
    expect(await problem()).toMatchObject({ reason: "no-common-name" })
    writeFileSync(missing, readFileSync(certificate("/CN=device\ninclude_dir ")))
    expect(await problem()).toMatchObject({ reason: "control-character", detail: "U+000A" })
    const [one, other] = ["/CN=one", "/CN=other"].map((subject) => readFileSync(certificate(subject), "utf8"))
    writeFileSync(missing, `${one}${other}`)
    expect(await problem()).toMatchObject({ certPath: missing, reason: "ambiguous" })
  })

  it("reads the device's id from the device's certificate, wherever it stands in the file", async () => {
    const pki = testPki({ deviceId: "dev01" })
    pki.remove()
    const certPath = join(bench.dir, "chain.pem")
    toml(version2(`[device]\ncert_path = "${certPath}"\n`))
    for (const chain of [pki.caPem + pki.deviceCertPem, pki.deviceCertPem + pki.caPem]) {
      writeFileSync(certPath, chain)
      expect((await answer(get("device.id"))).value).toBe("dev01")
      expect((await answer(get("c8y.device.id"))).value).toBe("dev01")
    }
  })

  it("reads a profile whose table is spelt with capitals, as thin-edge does, and writes it once", async () => {
    toml(version2('[c8y.profiles.Prod]\nurl = "p.example" # kept\n[c8y.profiles.Prod.device]\nid = "own"\n'))
    for (const profile of ["prod", "PROD"]) expect((await answer(get("c8y.url", profile))).value).toBe("p.example")
    const { profiles, warnings } = await answer((config) => config.ask("ReadProfiles", { cloud: "c8y" }, within))
    expect([profiles.map(({ cloud }) => cloud.profile), warnings]).toEqual([[undefined, "prod"], []])
    await answer(set("c8y.url", "q.example", "prod"))
    expect((await answer(get("c8y.url", "prod"))).value).toBe("q.example")
    expect(written()).not.toContain("p.example")
    expect((await answer(get("c8y.device.id", "prod"))).value).toBe("own")
    await answer((config) => config.ask("Upgrade", undefined, within))
    expect((await answer(get("c8y.device.id", "prod"))).value).toBe("own")
    expect((await answer(get("c8y.url", "prod"))).value).toBe("q.example")
    expect(readdirSync(join(bench.dir, "mappers"))).toEqual(["c8y.prod"])
  })

  it("takes TEDGE_CLOUD_PROFILE for cloud settings only, and --profile before it", async () => {
    toml(
      version2('[c8y]\nurl = "t.example"\n[c8y.profiles.a]\nurl = "a.example"\n[c8y.profiles.b]\nurl = "b.example"\n')
    )
    const variable = { TEDGE_CLOUD_PROFILE: "A" }
    expect((await answer(get("c8y.url"), variable)).value).toBe("a.example")
    expect((await answer(get("c8y.url", "b"), variable)).value).toBe("b.example")
    expect((await answer(get("c8y.profiles.b.url"), variable)).value).toBe("b.example")
    expect((await answer(get("mqtt.topic_root"), variable)).value).toBe("te")
    expect((await answer(get("c8y.url"), { TEDGE_CLOUD_PROFILE: "" })).value).toBe("t.example")
  })

  it("warns of another spelling and of unknown keys, and goes on", async () => {
    toml(version2("[device]\nnonsense = 1\n"))
    const { value, warnings } = await answer(get("device_type"), { TEDGE_NONSENSE: "1" })
    expect(value).toBe("thin-edge.io")
    expect(warnings.map((warning) => [warning.kind, "key" in warning && warning.key])).toEqual([
      ["deprecated-key", "device.type"],
      ["unknown-key", "device.nonsense"],
      ["unknown-key", "nonsense"]
    ])
  })

  it("warns when others can read a file with a PIN", async () => {
    toml(version2('[device]\nkey_uri = "pkcs11:token=a?pin-value=1234"\n'))
    const path = file()
    const warned = async (key = "device.key_uri") => (await answer(get(key))).warnings
    const old = { kind: "old-place", key: "device.key_uri", part: "pin", path, to: join(bench.dir, "secrets.toml") }
    expect(await warned()).toEqual([old, { kind: "secret-exposed", path, mode: "644", isOldPlace: true }])
    expect((await answer((config) => config.ask("ReadSettings", undefined, within))).warnings).toEqual(await warned())
    expect(await warned("device.type")).toEqual([])
    expect((await answer((config) => config.ask("List", { filter: "" }, within))).warnings).toEqual([])
    chmodSync(path, 0o640)
    expect(await warned()).toEqual([old])
  })
})

describe("reading is refused", () => {
  it.each([
    [get("does.not.exist"), { _tag: "UnknownSetting", key: "does.not.exist" }],
    [get("device.cryptoki.mod"), { _tag: "UnknownSetting", similar: ["device.cryptoki.mode"] }],
    [get("c8y.url", "absent"), { _tag: "UnknownProfile", cloud: "c8y", profile: "absent", known: [] }],
    [get("c8y.url", "a.b"), { _tag: "ProfileNotUsable", reason: "characters" }],
    [get("device.id", "p"), { _tag: "ProfileNotUsable", reason: "not-profiled" }],
    [get("c8y.profiles.p.url", "p"), { _tag: "ProfileNotUsable", reason: "named-twice" }]
  ])("for a name that cannot be meant", async (use, expected) => {
    expect(await refusal(use)).toMatchObject(expected)
  })

  it.each([
    ["[device\n", { _tag: "ConfigFileMalformed", line: 1 }],
    ['[config]\nversion = "9"\n', { _tag: "ConfigVersionUnknown", version: "9" }],
    ["[mqtt]\nport = 1\nbind.port = 2\n", { _tag: "ConfigMigrationConflict", from: "mqtt.port", to: "mqtt.bind.port" }],
    [
      version2("[device.cryptoki]\nmode = 'on'\n"),
      { _tag: "InvalidSetting", key: "device.cryptoki.mode", value: "on" }
    ],
    [
      version2("[device.cryptoki]\npin = 123456\n"),
      { _tag: "InvalidSetting", key: "device.cryptoki.pin", value: undefined }
    ]
  ])("of a file with %j", async (text, expected) => {
    toml(text)
    expect(await refusal(get("key" in expected ? expected.key : "device.type"))).toMatchObject(expected)
    expect(await refusal((config) => config.ask("ReadSettings", undefined, within))).toMatchObject(expected)
    expect(written()).toBe(text)
  })

  it("of a file that cannot be read, and a change leaves it alone", async () => {
    mkdirSync(file())
    const expected = { _tag: "ConfigFileUnreadable", code: "EISDIR" }
    expect(await refusal(get("device.type"))).toMatchObject(expected)
    expect(await refusal(set("device.type", "x"))).toMatchObject(expected)
    expect(readdirSync(bench.dir)).toEqual(["tedge.toml"])
  })

  it("of a wrong variable, by its name", async () => {
    const variable = { TEDGE_DEVICE_CRYPTOKI_MODE: "x" }
    expect(await refusal(get("device.cryptoki.mode"), variable)).toMatchObject({
      _tag: "InvalidSetting",
      source: { kind: "variable", variable: "TEDGE_DEVICE_CRYPTOKI_MODE" }
    })
    expect((await answer(get("device.type"), variable)).value).toBe("thin-edge.io")
  })

  it("of settings that fall back to an invalid value, and of no others", async () => {
    toml(
      version2(
        '[device]\ncert_path = "relative"\nid = "x"\n[c8y]\nurl = "https://x"\nhttp = "h.example"\n[mqtt.client]\nport = "abc"\n'
      )
    )
    const expected = { _tag: "InvalidSetting", key: "c8y.url" }
    expect(await refusal(get("c8y.url"))).toMatchObject(expected)
    expect(await refusal(get("c8y.mqtt"))).toMatchObject(expected)
    expect((await answer(get("c8y.http"))).value).toBe("h.example:443")
    expect((await answer(get("device.id"))).value).toBe("x")
    const list = await answer((config) => config.ask("List", { filter: "" }, within))
    const keys = list.settings.map(({ key }) => key)
    expect(keys).toEqual(expect.arrayContaining(["device.id", "c8y.http", "az.url"]))
    expect(keys.filter((key) => ["c8y.url", "c8y.mqtt", "mqtt.client.port"].includes(key))).toEqual([])
    expect(list.leftOut.map((failure) => "key" in failure && failure.key).sort()).toEqual([
      "c8y.url",
      "mqtt.client.port"
    ])
  })

  it("of half a pair", async () => {
    toml(version2('[proxy]\naddress = "p.example"\nusername = "me"\n'))
    expect(await refusal((config) => config.ask("ReadSettings", undefined, within))).toMatchObject({
      _tag: "SettingsIncomplete",
      set: ["proxy.username"],
      missing: ["proxy.password"]
    })
  })

  it("of an invalid key URI, without its PIN", async () => {
    toml(version2('[device]\nkey_uri = "pkcs11:token=a;token=b?pin-value=4711"\n'))
    const refused = await refusal((config) => config.ask("ReadSettings", undefined, within))
    expect(refused).toMatchObject({
      _tag: "InvalidSetting",
      key: "device.key_uri",
      problem: { reason: "duplicate-attribute" }
    })
    expect(JSON.stringify(refused)).not.toContain("4711")
  })
})

describe("all settings", () => {
  it("have what connect, mapper and tokens need, the cloud's fallbacks applied, secrets redacted", async () => {
    toml(
      version2(
        `[device]
key_uri = "pkcs11:token=t;object=k"
key_pin = "1234"
[device.cryptoki]
mode = "module"
module_path = "/m.so"
pin = "5678"
uri = "pkcs11:token=t"
[c8y]
url = "t.example"
[c8y.profiles.p]
mqtt = "m.example:1"
smartrest.templates = ["a"]
device.key_pin = "9999"
[mqtt.bridge.reconnect_policy]
initial_interval = "1s"
[proxy]
address = "https://proxy.example"
`
      )
    )
    const ask = (profile?: string | null) =>
      answer((config: ActorRef<ConfigProtocol>) => config.ask("ReadCloudSettings", { cloud: "c8y", profile }, within), {
        TEDGE_CLOUD_PROFILE: "p"
      })
    const { settings } = await ask(null)
    expect(settings).toMatchObject({
      configDir: bench.dir,
      device: {
        id: undefined,
        idProblem: { reason: "missing" },
        keyPath: join(bench.dir, "device-certs/tedge-private-key.pem")
      },
      cryptoki: {
        mode: "module",
        modulePath: "/m.so",
        uri: { token: "t" },
        socketPath: "/run/tedge-p11-server/tedge-p11-server.sock"
      },
      mqtt: { clientHost: "127.0.0.1", clientPort: 1883, topicRoot: "te", deviceTopicId: "device/main//" },
      bridge: { builtIn: true, initialIntervalMs: 1000, maximumIntervalMs: 600_000, resetWindowMs: 300_000 },
      proxy: { url: "https://proxy.example:443", username: undefined },
      run: { path: "/run", lockFiles: true },
      cloud: {
        name: "c8y",
        profile: undefined,
        prefix: "c8y",
        url: "t.example",
        mqtt: { host: "t.example", port: 8883 },
        http: { host: "t.example", port: 443 },
        authMethod: "certificate",
        topicPrefix: "c8y",
        keepaliveSeconds: 60,
        maxPayloadSize: 16184,
        publishRate: 0,
        device: { key: { uri: { token: "t", object: "k" } } }
      }
    })
    const pin = settings.cloud.device.key.pin
    expect(pin && Redacted.value(pin)).toBe("1234")
    const { settings: profiled } = await ask()
    expect(profiled.cloud).toMatchObject({
      prefix: "c8y.profiles.p",
      url: undefined,
      mqtt: { host: "m.example", port: 1 },
      http: undefined,
      smartrestTemplates: ["a"]
    })
    const profilePin = profiled.cloud.device.key.pin
    expect(profilePin && Redacted.value(profilePin)).toBe("9999")
    expect(JSON.stringify([settings, profiled])).not.toMatch(/1234|5678|9999/)
  })

  it("of every profile of a cloud", async () => {
    toml(version2('[az.profiles.b]\nurl = "b.example"\n[az.profiles.a]\nurl = "a.example"\n'))
    const { profiles } = await answer((config) => config.ask("ReadProfiles", { cloud: "az" }, within))
    expect(profiles.map(({ cloud }) => [cloud.profile, cloud.mqtt?.host])).toEqual([
      [undefined, undefined],
      ["a", "a.example"],
      ["b", "b.example"]
    ])
  })
})

/** A self-signed certificate with this subject; the path of its file. */
const certificate = (subject: string): string => {
  const path = join(bench.dir, "certificate.pem")
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(bench.dir, "key.pem")]
  execFileSync("openssl", ["req", "-x509", "-utf8", ...key, "-subj", subject, "-out", path], { stdio: "ignore" })
  return path
}
