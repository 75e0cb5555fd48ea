/** A PIN in the URI of a key or token is a secret as any other: told, put apart by `config set`, moved by the upgrade. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { textWithoutPin } from "../../../src/actors/config/pin-text.ts"
import { secretCopies } from "../../../src/actors/config/upgrade/upgrade-copies.ts"
import { change, configBench, get, set, type Use, version2, within } from "./config-bench.ts"
import { tableIn } from "./original-rules.ts"

const { bench, file, toml, written, answer, refusal } = configBench()

const at = (...names: ReadonlyArray<string>): string => join(bench.dir, ...names)

const secrets = () => tableIn(at("secrets.toml"))

const put = (name: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(at(name)), { recursive: true })
  writeFileSync(at(name), text)
  chmodSync(at(name), mode)
}

const upgrade = () => answer((config) => config.ask("Upgrade", undefined, within))

const readWarnings = async () =>
  (await answer((config) => config.ask("ReadSettings", undefined, within))).warnings.map((one) => [
    one.kind,
    "key" in one ? one.key : "path" in one ? one.path : ""
  ])

/** What a session with the key of the section would use. */
const key = async (profile: string | null = null) => {
  const { settings } = await answer((config) => config.ask("ReadCloudSettings", { cloud: "c8y", profile }, within))
  const { uri, pin } = settings.cloud.device.key
  const used = uri?.pinValue ?? pin
  return [uri?.token, used && Redacted.value(used)]
}

const places: ReadonlyArray<readonly [string, string, string, string, ReadonlyArray<string>]> = [
  ["device.key_uri", "tedge.toml", '[device]\nkey_uri = "URI"\n', "device.key_pin", ["device", "key_pin"]],
  [
    "device.cryptoki.uri",
    "tedge.toml",
    '[device.cryptoki]\nuri = "URI"\n',
    "device.cryptoki.pin",
    ["device", "cryptoki", "pin"]
  ],
  [
    "c8y.device.key_uri",
    "tedge.toml",
    '[c8y.device]\nkey_uri = "URI"\n',
    "c8y.device.key_pin",
    ["c8y", "device", "key_pin"]
  ],
  [
    "c8y.device.key_uri",
    "mappers/c8y/mapper.toml",
    '[device]\nkey_uri = "URI"\n',
    "c8y.device.key_pin",
    ["c8y", "device", "key_pin"]
  ],
  [
    "c8y.profiles.p.device.key_uri",
    "mappers/c8y.p/mapper.toml",
    '[device]\nkey_uri = "URI"\n',
    "c8y.profiles.p.device.key_pin",
    ["c8y", "profiles", "p", "device", "key_pin"]
  ]
]

const uri = "pkcs11:token=a;object=k?module-name=m&pin-value=12%334"
const bare = "pkcs11:token=a;object=k?module-name=m"

const tableAt = (tree: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((table, name) => (table as Record<string, unknown> | undefined)?.[name], tree)

describe.each(places)("a PIN in %s of %s", (name, path, text, pinKey, place) => {
  const given = () => put(path, (path === "tedge.toml" ? version2(text) : text).replace("URI", uri))

  it("is reported as readable by others and as being in an old place", async () => {
    given()
    const told = await readWarnings()
    expect(told).toContainEqual(["old-place", name])
    expect(told).toContainEqual(["secret-exposed", at(path)])
    expect((await answer(get(name))).warnings.map(({ kind }) => kind)).toContain("secret-exposed")
  })

  it("is moved by the upgrade, the URI stays as written without it", async () => {
    given()
    const done = await upgrade()
    expect(done.secrets).toEqual([pinKey])
    expect(tableAt(secrets(), place)).toBe("1234")
    expect((await answer(get(name))).value).toBe(bare)
    expect((await answer(get(pinKey))).value).toBe("1234")
    expect(await readWarnings()).toEqual([])
    const copies = secretCopies(bench.dir).map((copy) => copy.path)
    expect(copies).toEqual([at(`${path}.bak`)])
    expect(done.secretCopies).toEqual(copies)
    expect(await upgrade()).toMatchObject({ written: [], secrets: [] })
  })

  it("is put apart by config set, and never stays in the file", async () => {
    const { warnings } = await answer(set(name, uri))
    expect(warnings).toEqual([{ kind: "pin-apart", key: name, pinKey, to: at("secrets.toml") }])
    expect(tableAt(secrets(), place)).toBe("1234")
    expect((await answer(get(name))).value).toBe(bare)
    expect(statSync(at("secrets.toml")).mode & 0o777).toBe(0o640)
    await answer(set(name, uri.replace("12%334", "99")))
    expect(tableAt(secrets(), place)).toBe("99")
    await answer(change("Remove", name, uri))
    expect(existsSync(at(path)) ? readFileSync(at(path), "utf8") : "").not.toContain("pkcs11")
  })
})

describe("the PIN that counts", () => {
  it("stays the same: that of the key's URI before key_pin in the same file", async () => {
    put("mappers/c8y/mapper.toml", `[device]\nkey_uri = "${uri}"\nkey_pin = "other"\n`)
    expect(await key()).toEqual(["a", "1234"])
    await upgrade()
    expect(await key()).toEqual(["a", "1234"])
    expect(readFileSync(at("mappers/c8y/mapper.toml"), "utf8")).not.toMatch(/pin/)
  })

  it("stays the same: that of secrets.toml before both; the upgrade says that it drops the one in the URI", async () => {
    const path = at("mappers/c8y/mapper.toml")
    put("mappers/c8y/mapper.toml", `[device]\nkey_uri = "${uri}"\nkey_pin = "other"\n`)
    put("secrets.toml", '[c8y.device]\nkey_pin = "third"\n', 0o640)
    expect(await key()).toEqual(["a", "third"])
    const done = await upgrade()
    expect(done.warnings).toEqual([
      { kind: "pin-dropped", key: "c8y.device.key_uri", pinKey: "c8y.device.key_pin", path, to: at("secrets.toml") }
    ])
    expect(done.copies).toEqual([`${path}.bak`])
    expect(await key()).toEqual(["a", "third"])
    expect(secrets()).toEqual({ c8y: { device: { key_pin: "third" } } })
    expect(readFileSync(path, "utf8")).not.toMatch(/pin/)
    expect(readFileSync(`${path}.bak`, "utf8")).toContain(uri)
  })

  it("in secrets.toml takes precedence over the one in the provider's URI", async () => {
    toml(version2(`[device.cryptoki]\nuri = "${uri}"\n`))
    put("secrets.toml", '[device.cryptoki]\npin = "other"\n', 0o640)
    expect((await upgrade()).warnings.map(({ kind }) => kind)).toEqual(["pin-dropped"])
    expect(secrets()).toEqual({ device: { cryptoki: { pin: "other" } } })
  })

  it.each([
    ["device.key_uri", "device.key_pin", "[device]\nkey_uri"],
    ["device.cryptoki.uri", "device.cryptoki.pin", "[device.cryptoki]\nuri"]
  ])(
    "in %s of a file counts as that file does: after secrets.toml, the credential and the environment",
    async (name, pinKey, line) => {
      const counts = async (environment: Record<string, string>) => {
        const use: Use<unknown, unknown> = (config) =>
          Effect.map(config.ask("ReadSettings", undefined, within), ({ settings: { cryptoki, device } }) => {
            const { uri: found, pin } = name === "device.key_uri" ? device.key : cryptoki
            expect(found).toEqual({ token: "a", object: "k", moduleName: "m" })
            return pin && Redacted.value(pin)
          })
        return answer(use, environment)
      }
      toml(version2(`${line} = "${uri}"\n`))
      expect(await counts({})).toBe("1234")
      await answer(set(pinKey, "5678"))
      expect(await counts({})).toBe("5678")
      expect(await counts({ [`TEDGE_${pinKey.toUpperCase().replaceAll(".", "_")}`]: "9" })).toBe("9")
      expect(await counts({ [`TEDGE_${name.toUpperCase().replaceAll(".", "_")}`]: uri.replace("12%334", "8") })).toBe(
        "8"
      )
    }
  )

  it("of a section takes precedence over that of the device, which is for the device's key", async () => {
    toml(version2('[device]\nkey_uri = "pkcs11:token=d?pin-value=d"\n'))
    put("secrets.toml", '[device]\nkey_pin = "s"\n', 0o640)
    put("mappers/c8y/mapper.toml", `[device]\nkey_uri = "${uri}"\n`)
    put("mappers/c8y.p/mapper.toml", '[device]\nkey_pin = "p"\n')
    expect(await key()).toEqual(["a", "1234"])
    expect(await key("p")).toEqual(["d", "p"])
  })

  it("stays the same: that of the provider before the one in its URI", async () => {
    toml(version2(`[device.cryptoki]\nuri = "${uri}"\npin = "other"\n`))
    await upgrade()
    expect(secrets()).toEqual({ device: { cryptoki: { pin: "other" } } })
    expect(tableIn(file()).device).toEqual({ cryptoki: { uri: bare } })
  })

  it.each([["a key of its own without a PIN", '[device]\nkey_uri = "pkcs11:token=b"\n', ["b", undefined]]])(
    "of the device stays in its URI where it would count for a cloud with %s",
    async (_, mapper, expected) => {
      toml(version2(`[device]\nkey_uri = "${uri}"\n`))
      put("mappers/c8y/mapper.toml", mapper)
      expect(await key()).toEqual(expected)
      const done = await upgrade()
      expect(done.warnings).toEqual([{ kind: "pin-kept", key: "device.key_uri", path: file(), section: "c8y." }])
      expect(await key()).toEqual(expected)
      expect(written()).toContain("pin-value")
    }
  )

  it("is not set for the device where it would count for the key of a cloud", async () => {
    put("mappers/c8y/mapper.toml", '[device]\nkey_uri = "pkcs11:token=b"\n')
    const refused = await refusal(set("device.key_uri", uri))
    expect(refused).toMatchObject({ _tag: "InvalidSetting", problem: { kind: "pin-of-others", section: "c8y." } })
    expect(JSON.stringify(refused)).not.toMatch(/1234|12%334/)
    expect(existsSync(at("secrets.toml"))).toBe(false)
    await answer(set("c8y.device.key_pin", "of-b"))
    await answer(set("device.key_uri", uri))
    expect(await key()).toEqual(["b", "of-b"])
  })
})

describe("what is no valid URI", () => {
  it("is refused by the upgrade with its place, and its text without what may be a PIN", async () => {
    toml(version2('[device]\nkey_uri = "pkcs11:token=a;token=b?pin-value=geheim"\n'))
    const refused = await refusal((config) => config.ask("Upgrade", undefined, within))
    expect(refused).toMatchObject({ _tag: "InvalidSetting", key: "device.key_uri", source: { path: file() } })
    expect(JSON.stringify(refused)).not.toContain("geheim")
    expect(readdirSync(bench.dir)).toEqual(["tedge.toml"])
  })

  it("is not written, nor its PIN", async () => {
    const refused = await refusal(set("device.key_uri", "pkcs11:token=a;token=b?pin-value=geheim"))
    expect(JSON.stringify(refused)).not.toContain("geheim")
    expect(readdirSync(bench.dir)).toEqual([])
  })
})

describe("the text of a URI without its PIN", () => {
  it.each([
    ["pkcs11:token=a?pin-value=1", "pkcs11:token=a"],
    ["pkcs11:token=a?pin-value=1&module-name=m", "pkcs11:token=a?module-name=m"],
    ["PKCS11:token=a?PIN-VALUE=1", "PKCS11:token=a"],
    ["pkcs11:token=a;pin-value=1;object=k", "pkcs11:token=a;object=k"],
    ["pkcs11:pin-value=1", "pkcs11:"],
    ["pkcs11:token=a?pin-source=/x", undefined],
    ["http://x?pin-value=1", undefined]
  ])("%s", (text, expected) => expect(textWithoutPin(text)).toBe(expected))
})

it("a copy of an upgrade of thin-edge's own is found too", () => {
  put("tedge.toml.bak", version2('[device]\nkey_pin = "1"\n'))
  put("tedge.toml.bak.1", version2('[device]\nid = "1"\n'))
  put("mappers/c8y.p/mapper.toml.bak", `[device]\nkey_uri = "${uri}"\n`, 0o640)
  expect(secretCopies(bench.dir)).toEqual([
    { kind: "secret-copy", path: at("tedge.toml.bak"), mode: "644" },
    { kind: "secret-copy", path: at("mappers/c8y.p/mapper.toml.bak"), mode: "640" }
  ])
  rmSync(at("mappers"), { recursive: true })
})
