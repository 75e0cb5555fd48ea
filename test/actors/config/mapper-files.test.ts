/** `mappers/<cloud>[.<profile>]/mapper.toml`: which file the settings of a cloud are in, read and written. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { UnknownProfile } from "../../../src/messages/config.ts"
import { explain } from "../../../src/messages/explain.ts"
import { change, configBench, get, set, unset, version2, within } from "./config-bench.ts"
import { type Cloud, clouds, originalReads, profilesWithFile, tableIn } from "./original-rules.ts"

const { bench, file, toml, written, answer, refusal } = configBench()

const mapper = (name: string): string => join(bench.dir, "mappers", name, "mapper.toml")

const mapperToml = (name: string, text: string): void => {
  mkdirSync(dirname(mapper(name)), { recursive: true })
  writeFileSync(mapper(name), text)
}

const inMapper = (name: string): string => readFileSync(mapper(name), "utf8")

const url = async (cloud: Cloud, profile?: string) => (await answer(get(`${cloud}.url`, profile))).value

describe("the settings of a cloud are read", () => {
  /** file of the default, of the profile, of another profile x table in tedge.toml of the same, of another cloud. */
  const flags = [false, true]
  const matrix = flags.flatMap((own) =>
    flags.flatMap((profiled) =>
      flags.flatMap((other) =>
        flags.flatMap((table) => flags.map((another) => ({ own, profiled, other, table, another })))
      )
    )
  )

  it.each(matrix)("where thin-edge 2 reads them: %j", async ({ own, profiled, other, table, another }) => {
    if (own) mapperToml("c8y", 'cloud_type = "c8y"\nurl = "own.example"\n')
    if (profiled) mapperToml("c8y.prod", 'url = "prod.example"\n')
    if (other) mapperToml("c8y.other", 'url = "other.example"\n')
    toml(
      version2(
        `${table ? '[c8y]\nurl = "tedge.example"\n[c8y.profiles.prod]\nurl = "tedge-prod.example"\n' : ""}${another ? '[az]\nurl = "az.example"\n' : ""}`
      )
    )
    const before = written()
    for (const profile of [undefined, "prod", "other", "none"]) {
      const expected = originalReads(bench.dir, "c8y", profile)
      if (expected === "unknown")
        expect(await refusal(get("c8y.url", profile))).toMatchObject({ _tag: "UnknownProfile", profile })
      else expect(await url("c8y", profile)).toBe(expected.url)
      if (expected !== "unknown")
        expect(
          (await answer(get("c8y.url", profile), profile === undefined ? { TEDGE_C8Y_URL: "v.example" } : {})).value
        ).toBe(profile === undefined ? "v.example" : expected.url)
    }
    expect(await url("az")).toBe(another ? "az.example" : undefined)
    const { warnings } = await answer(get("device.type"))
    expect(warnings.map(({ kind }) => kind)).toEqual(table && (own || profiled || other) ? ["ignored-table"] : [])
    expect(written()).toBe(before)
  })

  it("with the place they come from, by every question", async () => {
    mapperToml("c8y", '# mine\nurl = "own.example"\n[device]\nkey_uri = "pkcs11:token=a"\n')
    mapperToml("c8y.prod", 'url = "prod.example"\n')
    expect((await answer(get("c8y.url"))).source).toEqual({ kind: "file", path: mapper("c8y") })
    expect((await answer(get("c8y.mqtt"))).value).toBe("own.example:8883")
    const ask = (profile: string | null) =>
      answer((config) => config.ask("ReadCloudSettings", { cloud: "c8y", profile }, within))
    expect((await ask(null)).settings.cloud).toMatchObject({
      url: "own.example",
      file: mapper("c8y"),
      device: { key: { uri: { token: "a" } } }
    })
    expect((await ask("prod")).settings.cloud).toMatchObject({
      url: "prod.example",
      file: mapper("c8y.prod"),
      prefix: "c8y.profiles.prod"
    })
    const { profiles } = await answer((config) => config.ask("ReadProfiles", { cloud: "c8y" }, within))
    expect(profiles.map(({ cloud }) => cloud.profile)).toEqual([undefined, "prod"])
    const { settings } = await answer((config) => config.ask("List", { filter: "c8y." }, within))
    const listed = settings.filter(({ source }) => source?.kind === "file")
    expect(listed.map(({ key, value }) => [key, value && Redacted.value(value)])).toEqual([
      ["c8y.url", "own.example"],
      ["c8y.device.key_uri", "pkcs11:token=a"],
      ["c8y.profiles.prod.url", "prod.example"]
    ])
  })

  it("a profile whose table is ignored is unknown, though its PIN was moved already", async () => {
    mapperToml("c8y", 'url = "own.example"\n')
    toml(version2('[c8y.profiles.prod]\nurl = "prod.example"\n'))
    writeFileSync(join(bench.dir, "secrets.toml"), '[c8y.profiles.prod.device]\nkey_pin = "1"\n')
    const refused = await refusal(get("c8y.url", "prod"))
    expect(refused).toMatchObject({ _tag: "UnknownProfile", known: [], isIgnored: true })
    expect(explain(refused as UnknownProfile)).toEqual({
      error: "Unknown profile 'prod' of c8y: its table in tedge.toml is ignored, as the cloud has a mapper.toml",
      hint: "tedge config upgrade"
    })
  })

  it("a profile that has a file is known, whatever is in it", async () => {
    mapperToml("c8y.empty", "")
    expect(await url("c8y", "empty")).toBeUndefined()
  })

  it("a directory whose name is not a valid profile is ignored", async () => {
    for (const name of ["c8y.Prod", "c8y.a b", "c8y.a.b", "c8yx", "mine"]) mapperToml(name, 'url = "x.example"\n')
    expect(await url("c8y")).toBeUndefined()
    expect(await refusal(get("c8y.url", "prod"))).toMatchObject({ _tag: "UnknownProfile", known: [] })
  })

  it("unknown keys are named with their file, cloud_type and a table of profiles are ignored", async () => {
    mapperToml("az", 'cloud_type = "aws"\nurl = "az.example"\n[custom]\nkey = 1\n[profiles.p]\nurl = "p.example"\n')
    const { warnings } = await answer(get("az.url"))
    const source = { kind: "file", path: mapper("az") }
    expect(warnings).toEqual([
      { kind: "unknown-key", key: "custom.key", source },
      { kind: "unknown-key", key: "profiles.p.url", source }
    ])
    expect(await refusal(get("az.url", "p"))).toMatchObject({ _tag: "UnknownProfile" })
  })

  it("a secret that others can read is reported with the file's name", async () => {
    mapperToml("c8y", '[device]\nkey_pin = "1234"\n')
    expect((await answer(get("c8y.device.key_pin"))).warnings).toEqual([
      { kind: "old-place", key: "c8y.device.key_pin", path: mapper("c8y"), to: join(bench.dir, "secrets.toml") },
      { kind: "secret-exposed", path: mapper("c8y"), mode: "644", isOldPlace: true }
    ])
    chmodSync(mapper("c8y"), 0o640)
    expect((await answer(get("c8y.device.key_pin"))).warnings.map(({ kind }) => kind)).toEqual(["old-place"])
    expect((await answer(get("c8y.url"))).warnings).toEqual([])
  })
})

describe("a file of a cloud that cannot be used", () => {
  const readAll = (cloud: Cloud) => answer((config) => config.ask("ReadProfiles", { cloud }, within))

  it("is reported with its position, and affects only its section", async () => {
    mapperToml("c8y", 'url = "own.example"\n')
    mapperToml("c8y.bad", 'url = "x"\ntopics\n')
    const expected = { _tag: "ConfigFileMalformed", path: mapper("c8y.bad"), line: 2 }
    expect(await refusal(get("c8y.url", "bad"))).toMatchObject(expected)
    expect(await refusal(set("c8y.url", "y.example", "bad"))).toMatchObject(expected)
    expect(
      await refusal((config) => config.ask("ReadCloudSettings", { cloud: "c8y", profile: "bad" }, within))
    ).toMatchObject(expected)
    const listed = await answer((config) => config.ask("List", { filter: "c8y." }, within))
    expect(listed.leftOut).toMatchObject([expected])
    expect(listed.settings.some(({ key }) => key.startsWith("c8y.profiles"))).toBe(false)
    expect(listed.settings.map(({ key }) => key)).toContain("c8y.url")
    expect(await url("c8y")).toBe("own.example")
    expect(await url("az")).toBeUndefined()
    await answer(set("c8y.url", "new.example"))
    await answer(set("az.url", "az.example"))
    await answer(set("device.type", "x"))
    const { profiles, leftOut } = await readAll("c8y")
    expect(profiles.map(({ cloud }) => [cloud.profile, cloud.url])).toEqual([[undefined, "new.example"]])
    expect(leftOut).toMatchObject([{ profile: "bad", isConfigured: true, failure: expected }])
    expect(inMapper("c8y.bad")).toBe('url = "x"\ntopics\n')
  })

  it("contains an invalid value: reported with the file, and affects only its section", async () => {
    mapperToml("c8y.bad", 'auth_method = "nothing"\n')
    mapperToml("c8y", 'url = "own.example"\n')
    const expected = {
      _tag: "InvalidSetting",
      key: "c8y.profiles.bad.auth_method",
      source: { kind: "file", path: mapper("c8y.bad") }
    }
    expect(await refusal(get("c8y.auth_method", "bad"))).toMatchObject(expected)
    expect(await url("c8y", "bad")).toBeUndefined()
    expect(await url("c8y")).toBe("own.example")
    expect((await readAll("c8y")).leftOut).toMatchObject([{ profile: "bad", isConfigured: false, failure: expected }])
    await answer(set("c8y.auth_method", "certificate", "bad"))
    expect(await url("c8y", "bad")).toBeUndefined()
  })

  it.each([
    ["is a directory", () => mkdirSync(mapper("c8y"), { recursive: true }), () => mapper("c8y")],
    [
      "is in what is no directory",
      () => {
        mkdirSync(join(bench.dir, "mappers"))
        writeFileSync(join(bench.dir, "mappers/c8y"), "")
      },
      () => mapper("c8y")
    ],
    [
      "is in a directory of mappers that is none",
      () => writeFileSync(join(bench.dir, "mappers"), ""),
      () => join(bench.dir, "mappers")
    ]
  ])("%s: the cloud is refused with the path, the rest works", async (_, make, path) => {
    make()
    const expected = { _tag: "ConfigFileUnreadable", path: path() }
    expect(await refusal(get("c8y.url"))).toMatchObject(expected)
    expect(await refusal(set("c8y.url", "x.example"))).toMatchObject(expected)
    expect((await answer(get("device.type"))).value).toBe("thin-edge.io")
    await answer(set("device.type", "x"))
    expect(
      (await answer((config) => config.ask("ReadCloudSettings", { cloud: "c8y", bare: true }, within))).settings.cloud
        .url
    ).toBeUndefined()
  })
})

describe("a change of a cloud's setting", () => {
  it("makes the mapper.toml on a fresh device, and nothing else", async () => {
    await answer(set("c8y.url", "t.example"))
    expect(inMapper("c8y")).toBe('cloud_type = "c8y"\nurl = "t.example"\n')
    expect(readdirSync(bench.dir)).toEqual(["mappers"])
    await answer(set("c8y.device.key_uri", "pkcs11:token=a", "Prod"))
    expect(inMapper("c8y.prod")).toBe('cloud_type = "c8y"\n\n[device]\nkey_uri = "pkcs11:token=a"\n')
    expect(statSync(mapper("c8y")).mode & 0o777).toBe(0o644)
    expect(bench.locks.every((lock) => lock === `${file()}.lock`)).toBe(true)
  })

  it("keeps comments, order, unknown keys and the rest to the byte, and sets a cloud_type that is wrong", async () => {
    const text =
      '# mine\nurl = "a.example" # url\ncloud_type = "aws"\ncustom = [ 1,2 ]\n\n# of the device\n[device]\nid = "x"\n[[custom.list]]\na = 1\n'.replace(
        "custom = [ 1,2 ]\n",
        ""
      )
    mapperToml("c8y", text)
    await answer(set("c8y.url", "b.example"))
    expect(inMapper("c8y")).toBe(text.replace("a.example", "b.example").replace('"aws"', '"c8y"'))
  })

  it("stays in tedge.toml where that has the tables of clouds", async () => {
    toml(version2('[az]\nurl = "az.example"\n'))
    await answer(set("c8y.url", "t.example"))
    expect(written()).toContain('[c8y]\nurl = "t.example"')
    expect(existsSync(join(bench.dir, "mappers"))).toBe(false)
  })

  it("other settings stay in tedge.toml", async () => {
    mapperToml("c8y", 'url = "t.example"\n')
    await answer(set("device.type", "x"))
    expect(written()).toContain('[device]\ntype = "x"')
    expect(inMapper("c8y")).toBe('url = "t.example"\n')
  })

  it("removes a file without content, and its directory if nothing else is in it", async () => {
    await answer(set("c8y.device.key_uri", "pkcs11:token=a", "p"))
    await answer(set("c8y.url", "t.example"))
    mkdirSync(join(bench.dir, "mappers/c8y/flows"))
    await answer(unset("c8y.device.key_uri", "p"))
    expect(readdirSync(join(bench.dir, "mappers"))).toEqual(["c8y"])
    await answer(unset("c8y.url"))
    expect(readdirSync(join(bench.dir, "mappers/c8y"))).toEqual(["flows"])
  })

  it("keeps a file with a comment in it", async () => {
    mapperToml("c8y", '# why\nurl = "t.example"\n')
    await answer(unset("c8y.url"))
    expect(inMapper("c8y")).toBe('# why\ncloud_type = "c8y"\n')
  })

  it("closes a file with a PIN to others", async () => {
    mapperToml("c8y", '[device]\nkey_uri = "pkcs11:token=a?pin-value=1234"\n')
    await answer(set("c8y.url", "t.example"))
    expect(statSync(mapper("c8y")).mode & 0o777).toBe(0o640)
  })

  it("writes nothing when it is only checked that it can be written", async () => {
    await answer((config) => config.ask("CheckWritable", { key: "c8y.device.key_uri" }, within))
    expect(existsSync(join(bench.dir, "mappers/c8y"))).toBe(false)
    mapperToml("c8y", 'url = "t.example"\n')
    await answer((config) => config.ask("CheckWritable", { key: "c8y.device.key_uri" }, within))
    expect(inMapper("c8y")).toBe('url = "t.example"\n')
  })

  it("adds to and removes from lists", async () => {
    await answer(change("Set", "c8y.smartrest.templates", "a,b"))
    await answer(change("Add", "c8y.smartrest.templates", "c"))
    await answer(change("Remove", "c8y.smartrest.templates", "a"))
    expect(tableIn(mapper("c8y"))).toEqual({ cloud_type: "c8y", smartrest: { templates: ["b", "c"] } })
  })
})

describe("what is written, thin-edge 2 reads", () => {
  const aSection = fc.record({ cloud: fc.constantFrom(...clouds), profile: fc.constantFrom(undefined, "p", "q") })
  const aText = fc.stringMatching(/^[a-z]{1,6}\.example$/)
  const aStart = fc.array(
    fc.oneof(fc.record({ tedge: aSection, url: aText }), fc.record({ mapper: aSection, url: aText })),
    { maxLength: 4 }
  )
  const aChange = fc.oneof(
    fc.record({ in: aSection, to: aText }),
    fc.record({ in: aSection, to: fc.constant(undefined) })
  )

  type Section = { readonly cloud: Cloud; readonly profile: string | undefined }
  type Start = ReadonlyArray<
    { readonly tedge: Section; readonly url: string } | { readonly mapper: Section; readonly url: string }
  >

  const begin = (start: Start) => {
    rmSync(bench.dir, { recursive: true, force: true })
    mkdirSync(bench.dir)
    const lines = new Map<string, string>()
    for (const one of start)
      if ("tedge" in one) {
        const { cloud, profile } = one.tedge
        lines.set(`${cloud}${profile === undefined ? "" : `.profiles.${profile}`}.url`, one.url)
      } else
        mapperToml(
          one.mapper.profile === undefined ? one.mapper.cloud : `${one.mapper.cloud}.${one.mapper.profile}`,
          `url = "${one.url}"\n`
        )
    toml(
      `[config]\nversion = "2"\n${[...lines].map(([key, value]) => `[${key.replace(/\.url$/, "")}]\nurl = "${value}"\n`).join("")}`
    )
  }

  type Read = ReturnType<typeof originalReads>
  const urlOf = (read: Read) => (read === "unknown" ? undefined : read.url)

  it("after any changes from any files", () =>
    fc.assert(
      fc.asyncProperty(aStart, fc.array(aChange, { minLength: 1, maxLength: 4 }), async (start, changes) => {
        begin(start)
        for (const {
          in: { cloud, profile },
          to
        } of changes) {
          const others = clouds
            .flatMap((one) => ["", "p", "q"].map((name) => [one, name || undefined] as const))
            .filter(([one, name]) => one !== cloud || name !== profile)
          const before = others.map(([one, name]) => originalReads(bench.dir, one, name))
          await answer(to === undefined ? unset(`${cloud}.url`, profile) : set(`${cloud}.url`, to, profile))
          const read = originalReads(bench.dir, cloud, profile)
          expect(read === "unknown" ? undefined : read.url).toBe(to)
          expect(others.map(([one, name]) => originalReads(bench.dir, one, name)).map(urlOf)).toEqual(before.map(urlOf))
          for (const name of profilesWithFile(bench.dir, cloud))
            if (name === (profile ?? ""))
              expect(tableIn(mapper(name === "" ? cloud : `${cloud}.${name}`)).cloud_type).toBe(cloud)
        }
      }),
      { numRuns: 60 }
    ))
})

describe("a secrets.toml that cannot be used", () => {
  const secrets = (): string => join(bench.dir, "secrets.toml")
  const read = (bare?: true) =>
    answer((config) => config.ask("ReadCloudSettings", { cloud: "c8y", ...(bare && { bare }) }, within))
  const list = (filter: string) => answer((config) => config.ask("List", { filter }, within))
  const refused = { _tag: "ConfigFileMalformed", path: expect.stringContaining("secrets.toml"), line: 1 }
  const tedge = '[device]\nid = "x"\n[device.cryptoki]\nmode = "module"\npin = "other"\n'

  it("stops what a PIN or a password is needed for, and no other PIN counts", async () => {
    toml(version2(tedge))
    writeFileSync(secrets(), "broken = \n")
    const asks = { cloud: "c8y" } as const
    expect(await refusal((config) => config.ask("ReadSettings", undefined, within))).toMatchObject(refused)
    expect(await refusal((config) => config.ask("ReadCloudSettings", asks, within))).toMatchObject(refused)
    expect(await refusal((config) => config.ask("ReadProfiles", asks, within))).toMatchObject(refused)
    expect(await refusal((config) => config.ask("Upgrade", undefined, within))).toMatchObject(refused)
    for (const key of ["device.cryptoki.pin", "device.key_pin", "c8y.device.key_pin", "proxy.password"]) {
      expect(await refusal(get(key))).toMatchObject(refused)
      expect(await refusal(set(key, "1234"))).toMatchObject(refused)
      expect(await refusal(unset(key))).toMatchObject(refused)
    }
    expect(readFileSync(secrets(), "utf8")).toBe("broken = \n")
  })

  it("stops no other setting: they are read, listed and set", async () => {
    toml(version2(tedge))
    writeFileSync(secrets(), "broken = \n")
    expect((await answer(get("device.id"))).value).toBe("x")
    const { settings, warnings } = await list("device.")
    expect(settings.map(({ key }) => key)).toContain("device.id")
    expect(settings.filter(({ secret }) => secret)).toEqual([])
    expect(warnings.map(({ kind }) => kind)).toEqual(["secrets-left-out"])
    expect((await list("mqtt.")).warnings).toEqual([])
    await answer(set("c8y.url", "new.example"))
    expect((await answer(get("c8y.url"))).value).toBe("new.example")
  })

  it.each([
    ["a file that is no TOML", "secrets.toml", "broken = \n"],
    ["a PIN that is no text", "secrets.toml", "[device.cryptoki]\npin = 1234\n"],
    ["a PIN of the cloud that is no text", "secrets.toml", "[c8y.device]\nkey_pin = 1234\n"],
    ["another value that cannot be used", "tedge.toml", `${version2(tedge)}[mqtt.client]\nport = "abc"\n`]
  ])("bare settings are read with the token off: %s", async (_, name, text) => {
    toml(version2(tedge))
    writeFileSync(join(bench.dir, name), text)
    expect((await read(true)).settings.cryptoki.mode).toBe("off")
  })

  it("bare settings keep the token where only a pair is set in part", async () => {
    toml(version2(`${tedge}[proxy]\nusername = "u"\n`))
    expect((await read(true)).settings.cryptoki.mode).toBe("module")
    expect(await refusal((config) => config.ask("ReadSettings", undefined, within))).toMatchObject({
      _tag: "SettingsIncomplete"
    })
  })
})
