/** Where a setting's value comes from, and what is told about the sources. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fileLayer, type TomlTable } from "../../../src/messages/settings/file-layer.ts"
import { argumentLayer, emptyLayer, environmentLayer } from "../../../src/messages/settings/layer.ts"
import { resolveForUse, resolveSetting, type Sources } from "../../../src/messages/settings/resolve.ts"
import { parseSettingName } from "../../../src/messages/settings/setting-name.ts"
import { settingsTable } from "../../../src/messages/settings/settings-table.ts"
import { parseText } from "../../../src/messages/settings/value.ts"

const version2 = (tree: TomlTable): TomlTable => ({ ...tree, config: { version: "2" } })

const layerFrom = (tree: TomlTable) => {
  const read = fileLayer(tree, "/etc/tedge/tedge.toml", "/etc/tedge")
  if (read.kind !== "layer") throw new Error(read.kind)
  return read
}

const environment = (variables: Record<string, string>) =>
  environmentLayer(variables, "/cwd", (text) => {
    try {
      return JSON.parse(text)
    } catch {
      return undefined
    }
  })

const sourcesOf = (parts: {
  readonly tree?: TomlTable
  readonly variables?: Record<string, string>
  readonly options?: Record<string, string>
  readonly names?: Record<string, string>
}): Sources => ({
  configDir: "/etc/tedge",
  options: argumentLayer(parts.options ?? {}, "/cwd"),
  environment: environment(parts.variables ?? {}),
  file: layerFrom(version2(parts.tree ?? {})).layer,
  variable: (name) => parts.variables?.[name],
  commonName: (certPath) => {
    const name = parts.names?.[certPath]
    return name === undefined ? { problem: { certPath, reason: "missing", detail: "ENOENT" } } : { name }
  }
})

const value = (sources: Sources, key: string, resolve = resolveSetting) => {
  const name = parseSettingName(key)
  if (name === undefined) throw new Error(key)
  const found = resolve(name, sources)
  return found.kind === "value" ? found.value : undefined
}

describe("the order of sources", () => {
  it("is option, environment, file, default, for every text setting and any values", () => {
    const texts = settingsTable.filter(
      ({ type, certificateName }) => type.kind === "text" && certificateName === undefined
    )
    const given = fc.option(fc.stringMatching(/^[a-z]{1,8}$/), { nil: undefined })
    fc.assert(
      fc.property(fc.constantFrom(...texts), given, given, given, (setting, option, variable, stored) => {
        const { key } = setting
        const tree = key.split(".").reduceRight<unknown>((below, segment) => ({ [segment]: below }), stored ?? "")
        const sources = sourcesOf({
          tree: tree as TomlTable,
          variables: { [`TEDGE_${key.toUpperCase().replaceAll(".", "_")}`]: variable ?? "" },
          options: { [key]: option ?? "" }
        })
        expect(value(sources, key)).toBe(option ?? variable ?? stored ?? setting.default)
      })
    )
  })

  it("has the certificate's name first for identities, the cloud's own before the device's", () => {
    const stored = { tree: { device: { id: "stored" }, c8y: { device: { id: "own" } } } }
    const device = "/etc/tedge/device-certs/tedge-certificate.pem"
    expect(value(sourcesOf({ ...stored, names: { [device]: "cn" } }), "device.id")).toBe("cn")
    expect(
      value(sourcesOf({ ...stored, names: { [device]: "cn" }, variables: { TEDGE_DEVICE_ID: "v" } }), "device.id")
    ).toBe("cn")
    expect(value(sourcesOf(stored), "device.id")).toBe("stored")
    expect(value(sourcesOf(stored), "c8y.device.id")).toBe("own")
    expect(value(sourcesOf(stored), "az.device.id")).toBe("stored")
    const other = { c8y: { device: { cert_path: "/c.pem" } } }
    expect(value(sourcesOf({ tree: other, names: { "/c.pem": "c8y-cn", [device]: "cn" } }), "c8y.device.id")).toBe(
      "c8y-cn"
    )
    // Without its own certificate a cloud has what is set, not the name in the device's.
    expect(value(sourcesOf({ tree: other, names: { [device]: "cn" } }), "c8y.device.id")).toBeUndefined()
  })
})

describe("a setting that follows another", () => {
  it.each([
    ["c8y.http", { c8y: { url: "t.example" } }, "t.example"],
    ["c8y.mqtt", { c8y: { url: "t.example", mqtt: "m.example:1" } }, "m.example:1"],
    ["c8y.profiles.p.mqtt", { c8y: { url: "t.example", profiles: { p: { url: "p.example" } } } }, "p.example"],
    ["c8y.profiles.p.mqtt", { c8y: { url: "t.example", profiles: { p: { topics: [] } } } }, undefined],
    ["c8y.profiles.p.device.key_path", { c8y: { device: { key_path: "/c8y" } }, device: { key_path: "/dev" } }, "/dev"],
    ["mqtt.client.port", { mqtt: { bind: { port: 1884 } } }, 1884],
    ["c8y.proxy.client.port", { c8y: { proxy: { bind: { port: 9 } } } }, 9],
    ["http.bind.address", { mqtt: { external: { bind: { address: "10.0.0.1" } } } }, "10.0.0.1"],
    ["http.bind.address", { mqtt: { bind: { address: "10.0.0.2" } } }, "10.0.0.2"],
    ["http.bind.address", {}, "127.0.0.1"],
    ["c8y.device.key_uri", { device: { key_uri: "pkcs11:" } }, undefined]
  ] satisfies ReadonlyArray<readonly [string, TomlTable, unknown]>)("%s in %j is %s", (key, tree, expected) => {
    expect(value(sourcesOf({ tree }), key)).toBe(expected)
  })

  it("follows for key_uri and key_pin only where the key is used", () => {
    const sources = sourcesOf({
      tree: { device: { key_uri: "pkcs11:token=d" }, az: { device: { key_uri: "pkcs11:token=a" } } }
    })
    expect(value(sources, "c8y.device.key_uri", resolveForUse)).toBe("pkcs11:token=d")
    expect(value(sources, "c8y.profiles.p.device.key_uri", resolveForUse)).toBe("pkcs11:token=d")
    expect(value(sources, "az.device.key_uri", resolveForUse)).toBe("pkcs11:token=a")
  })

  it("takes NO_PROXY for proxy.no_proxy", () => {
    expect(value(sourcesOf({ variables: { NO_PROXY: "a.example" } }), "proxy.no_proxy")).toBe("a.example")
  })
})

describe("the environment", () => {
  it("counts an empty variable as not set, and leaves TEDGE_CONFIG_DIR and TEDGE_CLOUD_PROFILE alone", () => {
    expect(
      environment({ TEDGE_DEVICE_CRYPTOKI_PIN: "", TEDGE_CONFIG_DIR: "/x", TEDGE_CLOUD_PROFILE: "p", HOME: "/" })
    ).toEqual(emptyLayer)
  })

  it("names the variable of a wrong value, and never the value of a secret", () => {
    const layer = environment({
      TEDGE_DEVICE_CRYPTOKI_MODE: "x",
      TEDGE_MQTT_BIND_PORT: "99999",
      TEDGE_PROXY_PASSWORD: "geheim"
    })
    expect(layer.wrong).toMatchObject([
      { key: "device.cryptoki.mode", value: "x", source: { variable: "TEDGE_DEVICE_CRYPTOKI_MODE" } },
      { key: "mqtt.bind.port", source: { variable: "TEDGE_MQTT_BIND_PORT" } }
    ])
    expect(JSON.stringify([...layer.wrong, ...layer.warnings])).not.toContain("geheim")
  })

  it("warns of an unknown variable", () => {
    expect(environment({ TEDGE_C8Y_UNKNOWN: "1" }).warnings).toEqual([
      { kind: "unknown-key", key: "c8y_unknown", source: { kind: "variable", variable: "TEDGE_C8Y_UNKNOWN" } }
    ])
  })

  it.each(['"quoted"', '["a"]', "'a'", "12 34", "[", '"', '"a" # b', "true", "0123"])(
    "takes the text %s as it stands, PINs first",
    (text) => {
      const { entries, wrong } = environment({
        TEDGE_DEVICE_CRYPTOKI_PIN: text,
        TEDGE_C8Y_PROFILES_PROD_DEVICE_KEY_PIN: text,
        TEDGE_DEVICE_TYPE: text
      })
      expect(wrong).toEqual([])
      for (const key of ["device.cryptoki.pin", "c8y.profiles.prod.device.key_pin", "device.type"])
        expect(entries.get(key)?.value).toBe(text)
    }
  )

  it("refuses a number or a mode in quotes: they are not TOML either", () => {
    expect(environment({ TEDGE_MQTT_BIND_PORT: '"1883"', TEDGE_DEVICE_CRYPTOKI_MODE: '"module"' }).wrong).toHaveLength(
      2
    )
  })

  it("takes lists as TOML has them, else between commas", () => {
    const topics = (text: string) => environment({ TEDGE_C8Y_TOPICS: text }).entries.get("c8y.topics")?.value
    expect(topics('["a", "b"]')).toEqual(["a", "b"])
    expect(topics("a,b")).toEqual(["a", "b"])
  })

  it("reads profiles", () => {
    expect(environment({ TEDGE_C8Y_PROFILES_PROD_URL: "p.example" }).entries.get("c8y.profiles.prod.url")?.value).toBe(
      "p.example"
    )
  })

  it("takes the words of device.cryptoki.enable, with a warning", () => {
    for (const [word, mode] of Object.entries({ true: "module", false: "off", socket: "socket" })) {
      const layer = environment({ TEDGE_DEVICE_CRYPTOKI_ENABLE: word })
      expect(layer.entries.get("device.cryptoki.mode")?.value).toBe(mode)
      expect(layer.warnings).toMatchObject([{ kind: "deprecated-key", key: "device.cryptoki.mode" }])
    }
    expect(environment({ TEDGE_DEVICE_CRYPTOKI_MODE: "true" }).wrong).toHaveLength(1)
  })
})

describe("tedge.toml", () => {
  it("is read under older names, which its own name beats", () => {
    const { layer } = layerFrom(
      version2({
        mqtt: { port: 1, bind: { port: 2 } },
        azure: { url: "a.example" },
        device: { cryptoki: { enable: true } }
      })
    )
    expect(layer.entries.get("mqtt.bind.port")?.value).toBe(2)
    expect(layer.entries.get("az.url")?.value).toBe("a.example")
    expect(layer.entries.get("device.cryptoki.mode")?.value).toBe("module")
    expect(layer.warnings.map(({ kind }) => kind).sort()).toEqual(["deprecated-key", "deprecated-key", "ignored-key"])
  })

  it("has unknown keys reported and ignored, invalid values reported", () => {
    const { layer } = layerFrom(
      version2({ device: { nonsense: 1 }, "mqtt.bind": { port: 1 }, c8y: 5, mqtt: { bind: { port: "x" } } })
    )
    expect(layer.warnings.map((warning) => "key" in warning && warning.key)).toEqual([
      "device.nonsense",
      "mqtt.bind.port",
      "c8y"
    ])
    expect(layer.wrong).toMatchObject([{ key: "mqtt.bind.port", problem: { kind: "not-integer" } }])
  })

  it("joins relative paths to its own directory", () => {
    expect(
      layerFrom(version2({ device: { cert_path: "certs/d.pem" } })).layer.entries.get("device.cert_path")?.value
    ).toBe("/etc/tedge/certs/d.pem")
  })

  it("of version 1 is read under the names of version 1", () => {
    const { layer, renames } = layerFrom({
      mqtt: { port: 1884, client_host: "h", external_capath: "/ca" },
      c8y: { smartrest_templates: ["t"] },
      software: { default_plugin_type: "apt" }
    })
    expect(Object.fromEntries([...layer.entries].map(([key, entry]) => [key, entry.value]))).toEqual({
      "mqtt.bind.port": 1884,
      "mqtt.client.host": "h",
      "mqtt.external.ca_path": "/ca",
      "c8y.smartrest.templates": ["t"],
      "software.plugin.default": "apt"
    })
    expect(renames).toHaveLength(5)
    expect(layer.warnings).toEqual([])
  })

  it("of version 1 with an old and a new name is refused", () => {
    expect(fileLayer({ mqtt: { port: 1, bind: { port: 2 } } }, "/t", "/")).toEqual({
      kind: "conflict",
      from: "mqtt.port",
      to: "mqtt.bind.port"
    })
  })

  it.each([["3"], [2.5], ["x"]])("of version %s is refused", (version) => {
    expect(fileLayer({ config: { version } }, "/t", "/").kind).toBe("unknown-version")
  })
})

describe("parsed values of every type", () => {
  it("are read back from what a write stores", () => {
    for (const { key, type, examples = [] } of settingsTable)
      for (const example of examples) {
        const parsed = parseText(type, example, "/")
        const stored = parsed.ok ? parsed.value : undefined
        const tree = key.split(".").reduceRight<unknown>((below, segment) => ({ [segment]: below }), stored)
        expect(layerFrom(version2(tree as TomlTable)).layer.entries.get(key)?.value).toEqual(stored)
      }
  })
})
