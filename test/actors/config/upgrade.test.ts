/** `tedge config upgrade`: what stands at an older place moves to its file, and the device reads the same after it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { configBench, get, set, version2, within } from "./config-bench.ts"
import { type Cloud, clouds, originalReads, tableIn } from "./original-rules.ts"

const { bench, file, toml, written, answer, refusal } = configBench()

const upgrade = () => answer((config) => config.ask("Upgrade", undefined, within))

const at = (...names: ReadonlyArray<string>): string => join(bench.dir, ...names)

const inFile = (...names: ReadonlyArray<string>): string => readFileSync(at(...names), "utf8")

const mode = (...names: ReadonlyArray<string>): string => (statSync(at(...names)).mode & 0o777).toString(8)

const url = async (cloud: Cloud, profile?: string) => (await answer(get(`${cloud}.url`, profile))).value

describe("the tables of clouds become mapper.toml files", () => {
  it.each([
    ["c8y, without profile", '[c8y]\nurl = "t.example"\n', { c8y: { url: "t.example" } }],
    ["c8y, a profile", '[c8y.profiles.prod]\nurl = "p.example"\n', { "c8y.prod": { url: "p.example" } }],
    [
      "c8y, several profiles",
      '[c8y]\nurl = "t.example"\n[c8y.profiles.prod]\nurl = "p.example"\n[c8y.profiles.test]\nurl = "q.example"\n',
      { c8y: { url: "t.example" }, "c8y.prod": { url: "p.example" }, "c8y.test": { url: "q.example" } }
    ],
    ["az", '[az]\nurl = "t.azure"\n', { az: { url: "t.azure" } }],
    ["az under its older name", '[azure]\nurl = "t.azure"\n', { az: { url: "t.azure" } }],
    ["aws", '[aws]\nurl = "t.aws"\n', { aws: { url: "t.aws" } }],
    [
      "several clouds, with lists and tables",
      '[c8y]\nurl = "t.example"\ntopics = ["te/+/+/+/+/e/+"]\n[c8y.smartrest]\ntemplates = ["a", "b"]\n[aws.device]\nid = "x"\n',
      {
        c8y: { url: "t.example", topics: ["te/+/+/+/+/e/+"], smartrest: { templates: ["a", "b"] } },
        aws: { device: { id: "x" } }
      }
    ],
    ["an empty table: none", "[c8y]\n", {}],
    ["no table: none", '[device]\ntype = "x"\n', {}]
  ])("%s", async (_, text, expected) => {
    toml(version2(text))
    const before = written()
    const isMoved = /c8y|az|aws/.test(text)
    const done = await upgrade()
    for (const [name, table] of Object.entries(expected))
      expect(tableIn(at("mappers", name, "mapper.toml"))).toEqual({ cloud_type: name.split(".")[0], ...table })
    expect(existsSync(at("mappers")) ? readdirSync(at("mappers")).sort() : []).toEqual(Object.keys(expected).sort())
    expect(clouds.some((cloud) => cloud in tableIn(file()) || "azure" in tableIn(file()))).toBe(false)
    expect(existsSync(`${file()}.bak`)).toBe(isMoved)
    if (isMoved) expect(inFile("tedge.toml.bak")).toBe(before)
    expect(done.copies).toEqual(isMoved ? [`${file()}.bak`] : [])
    expect(await upgrade()).toEqual({ written: [], copies: [], secretCopies: [], secrets: [], warnings: [] })
    for (const name of Object.keys(expected)) expect(mode("mappers", name, "mapper.toml")).toBe("644")
  })

  it("without content are not made, and those that are there are deleted", async () => {
    toml(version2('[c8y]\nurl = "ignored.example"\n[az.device]\nkey_pin = "1"\n'))
    for (const [name, text] of [
      ["c8y", 'cloud_type = "c8y"\n'],
      ["c8y.p", 'cloud_type = "c8y"\n[device]\nkey_pin = "2"\n'],
      ["aws", '# mine\ncloud_type = "aws"\n']
    ] as const) {
      mkdirSync(at("mappers", name), { recursive: true })
      writeFileSync(at("mappers", name, "mapper.toml"), text)
    }
    await upgrade()
    expect(readdirSync(at("mappers")).sort()).toEqual(["aws", "c8y.p"])
    expect(readdirSync(at("mappers/c8y.p"))).toEqual(["mapper.toml.bak"])
    expect(await url("c8y")).toBeUndefined()
    expect((await answer(get("c8y.profiles.p.device.key_pin"))).value).toBe("2")
    expect((await answer(get("az.device.key_pin"))).value).toBe("1")
    expect(await upgrade()).toMatchObject({ written: [], copies: [] })
  })

  it("with comments and keys of others, and the rest of tedge.toml stays to the byte", async () => {
    toml(
      version2(
        '# of the device\n[device]\ntype = "x" # here\n\n# the cloud\n[c8y]\nurl = "t.example" # prod\nmine = [1, 2]\n'
      )
    )
    await upgrade()
    expect(inFile("mappers/c8y/mapper.toml")).toBe(
      '# the cloud\nurl = "t.example" # prod\nmine = [1, 2]\ncloud_type = "c8y"\n'
    )
    expect(written()).toBe(version2('# of the device\n[device]\ntype = "x" # here\n\n'))
  })

  it("of a file of version 1, with the newer names", async () => {
    toml('[mqtt]\nport = 1884\n[c8y]\nsmartrest_templates = ["a"]\n[az]\nmapper_timestamp = false\n')
    await upgrade()
    expect(tableIn(at("mappers/c8y/mapper.toml"))).toEqual({ cloud_type: "c8y", smartrest: { templates: ["a"] } })
    expect(tableIn(at("mappers/az/mapper.toml"))).toEqual({ cloud_type: "az", mapper: { timestamp: false } })
    expect(tableIn(file())).toEqual({ mqtt: { bind: { port: 1884 } }, config: { version: "2" } })
  })

  it("and a section that has its file already keeps what the device runs with; the table is in the copy", async () => {
    toml(version2('[c8y]\nurl = "stale.example"\n[c8y.profiles.prod]\nurl = "p.example"\n'))
    mkdirSync(at("mappers/c8y"), { recursive: true })
    writeFileSync(at("mappers/c8y/mapper.toml"), 'url = "t.example"\n')
    await upgrade()
    expect([await url("c8y"), await url("c8y", "prod")]).toEqual(["t.example", "p.example"])
    expect(inFile("tedge.toml.bak")).toContain("stale.example")
    expect((await answer(get("device.type"))).warnings).toEqual([])
  })

  it("and nothing is done for a file that cannot be parsed", async () => {
    toml("[c8y\n")
    expect(await refusal((config) => config.ask("Upgrade", undefined, within))).toMatchObject({
      _tag: "ConfigFileMalformed"
    })
    expect(readdirSync(bench.dir).filter((name) => !name.endsWith(".lock"))).toEqual(["tedge.toml"])
  })

  it.each([
    ["c8y.profiles.z", "[c8y.profiles]\nz = 3\n"],
    ["aws", '[[aws]]\nurl = "a"\n']
  ])("and what is no table where one is needed is named: %s", async (key, text) => {
    toml(version2(`[az]\nurl = "az.example"\n${text}`))
    expect(await refusal((config) => config.ask("Upgrade", undefined, within))).toMatchObject({
      _tag: "ConfigFileNotEditable",
      key,
      path: file()
    })
    expect(existsSync(at("mappers"))).toBe(false)
  })

  it("all or none: what was written is taken back when a later file cannot be", async () => {
    const text = version2('[c8y]\nurl = "t.example"\n[c8y.profiles.prod]\nurl = "p.example"\n[az]\nurl = "a.example"\n')
    toml(text)
    mkdirSync(at("mappers/c8y.prod/mapper.toml.d"), { recursive: true })
    writeFileSync(at("mappers/c8y.prod/.mapper.toml.tmp"), "")
    rmSync(at("mappers/c8y.prod"), { recursive: true })
    mkdirSync(at("mappers"), { recursive: true })
    // Where the directory of the profile should be lies a file.
    writeFileSync(at("mappers/az"), "")
    expect(await refusal((config) => config.ask("Upgrade", undefined, within))).toMatchObject({
      path: at("mappers/az/mapper.toml")
    })
    expect(written()).toBe(text)
    expect(readdirSync(at("mappers"))).toEqual(["az"])
    expect(readdirSync(bench.dir).sort()).toEqual(["mappers", "tedge.toml"])
    rmSync(at("mappers/az"))
    await upgrade()
    expect([await url("c8y"), await url("c8y", "prod"), await url("az")]).toEqual([
      "t.example",
      "p.example",
      "a.example"
    ])
  })

  it("goes on after a crash between any two files", async () => {
    const text = version2(
      '[c8y]\nurl = "t.example"\n[c8y.profiles.prod]\nurl = "p.example"\n[device]\nkey_pin = "1"\n[p11_server]\nsocket_mode = "600"\n'
    )
    toml(text)
    await upgrade()
    const files = ["secrets.toml", "tedge-p11-server.toml", "mappers/c8y/mapper.toml", "mappers/c8y.prod/mapper.toml"]
    const contents = files.map((name) => inFile(name))
    for (let written = 0; written <= files.length; written++) {
      for (const name of readdirSync(bench.dir)) rmSync(at(name), { recursive: true })
      toml(text)
      for (const [index, name] of files.slice(0, written).entries()) {
        mkdirSync(dirname(at(name)), { recursive: true })
        writeFileSync(at(name), contents[index] ?? "")
      }
      await upgrade()
      expect([written, ...files.map((name) => inFile(name))]).toEqual([written, ...contents])
      expect(tableIn(file())).toEqual({ config: { version: "2" } })
    }
  })

  it("and thin-edge 2 reads the same as before, whatever the tables", () => {
    const aText = fc.stringMatching(/^[a-z]{1,6}$/)
    const section = fc.record({
      url: fc.option(aText, { nil: undefined }),
      custom: fc.option(aText, { nil: undefined })
    })
    const aCloud = fc.record({ own: section, profiles: fc.dictionary(fc.constantFrom("p", "q"), section) })
    const lines = (name: string, { url, custom }: { url: string | undefined; custom: string | undefined }) =>
      url === undefined && custom === undefined
        ? ""
        : `[${name}]\n${url === undefined ? "" : `url = "${url}"\n`}${custom === undefined ? "" : `x.y = "${custom}" # kept\n`}`
    return fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...clouds), aCloud), async (given) => {
        for (const name of readdirSync(bench.dir)) rmSync(at(name), { recursive: true })
        const tables = Object.entries(given).map(
          ([cloud, { own, profiles }]) =>
            lines(cloud, own) +
            Object.entries(profiles)
              .map(([name, table]) => lines(`${cloud}.profiles.${name}`, table))
              .join("")
        )
        toml(version2(tables.join("")))
        const read = () =>
          clouds.flatMap((cloud) => [undefined, "p", "q"].map((profile) => originalReads(bench.dir, cloud, profile)))
        const before = read()
        await upgrade()
        expect([written(), read()]).toEqual([written(), before])
      }),
      { numRuns: 60 }
    )
  })
})

describe("PINs and passwords", () => {
  it("go to secrets.toml when they are set, and are found there", async () => {
    await answer(set("device.cryptoki.pin", "1234"))
    await answer(set("c8y.device.key_pin", "5678", "prod"))
    expect(inFile("secrets.toml")).toBe(
      '[device.cryptoki]\npin = "1234"\n\n[c8y.profiles.prod.device]\nkey_pin = "5678"\n'
    )
    expect(mode("secrets.toml")).toBe("640")
    expect(readdirSync(bench.dir)).toEqual(["secrets.toml"])
    expect((await answer(get("device.cryptoki.pin"))).source).toEqual({ kind: "file", path: at("secrets.toml") })
    expect((await answer(get("c8y.device.key_pin", "prod"))).value).toBe("5678")
    await answer(set("device.cryptoki.pin", ""))
    await answer(set("c8y.device.key_pin", "", "prod"))
    expect(readdirSync(bench.dir)).toEqual([])
  })

  it("come from the environment, the credential, secrets.toml, mapper.toml, tedge.toml, in this order", async () => {
    toml(version2('[device.cryptoki]\npin = "of-tedge"\n'))
    chmodSync(file(), 0o640)
    const pin = async (variables = {}) => (await answer(get("device.cryptoki.pin"), variables)).value
    expect(await pin()).toBe("of-tedge")
    writeFileSync(at("secrets.toml"), '[device.cryptoki]\npin = "of-secrets"\n[c8y.device]\nkey_pin = "of-secrets"\n', {
      mode: 0o640
    })
    expect(await pin()).toBe("of-secrets")
    mkdirSync(at("credentials"))
    writeFileSync(at("credentials/tedge-pin"), "of-credential\n")
    expect(await pin({ CREDENTIALS_DIRECTORY: at("credentials") })).toBe("of-credential")
    expect(await pin({ CREDENTIALS_DIRECTORY: at("credentials"), TEDGE_DEVICE_CRYPTOKI_PIN: "of-variable" })).toBe(
      "of-variable"
    )
    mkdirSync(at("mappers/c8y"), { recursive: true })
    writeFileSync(at("mappers/c8y/mapper.toml"), '[device]\nkey_pin = "of-mapper"\n', { mode: 0o640 })
    expect((await answer(get("c8y.device.key_pin"))).value).toBe("of-secrets")
    rmSync(at("secrets.toml"))
    expect((await answer(get("c8y.device.key_pin"))).value).toBe("of-mapper")
  })

  it("in an old place are reported, removed there by the next set, and moved by the upgrade", async () => {
    toml(version2('[device.cryptoki]\nmode = "module"\npin = "1234"\n[c8y]\nurl = "t.example"\ndevice.key_pin = "9"\n'))
    chmodSync(file(), 0o600)
    const told = async () =>
      (await answer((config) => config.ask("ReadSettings", undefined, within))).warnings.map((one) =>
        "key" in one ? one.key : one.kind
      )
    expect(await told()).toEqual(["device.cryptoki.pin", "c8y.device.key_pin"])
    await answer(set("device.cryptoki.pin", "5678"))
    expect(written()).not.toMatch(/1234|5678/)
    const { secrets, secretCopies } = await upgrade()
    // The other one was moved by `set`.
    expect([secrets, secretCopies]).toEqual([["c8y.device.key_pin"], [`${file()}.bak`]])
    expect(tableIn(at("secrets.toml"))).toEqual({
      device: { cryptoki: { pin: "5678" } },
      c8y: { device: { key_pin: "9" } }
    })
    expect(mode("tedge.toml.bak")).toBe("600")
    expect(tableIn(at("mappers/c8y/mapper.toml"))).toEqual({ cloud_type: "c8y", url: "t.example" })
    expect(await told()).toEqual([])
  })

  it("in a mapper.toml are moved too, with a copy of the file", async () => {
    mkdirSync(at("mappers/c8y"), { recursive: true })
    writeFileSync(at("mappers/c8y/mapper.toml"), '# mine\nurl = "t.example"\n[device]\nkey_pin = "9"\n')
    const { secrets, secretCopies } = await upgrade()
    expect([secrets, secretCopies]).toEqual([["c8y.device.key_pin"], [at("mappers/c8y/mapper.toml.bak")]])
    expect(tableIn(at("secrets.toml"))).toEqual({ c8y: { device: { key_pin: "9" } } })
    expect(inFile("mappers/c8y/mapper.toml")).not.toContain("key_pin")
    expect(inFile("mappers/c8y/mapper.toml.bak")).toContain("key_pin")
    expect(mode("mappers/c8y/mapper.toml")).toBe("644")
  })

  it.each([
    ["mapper.toml", 'url = "c"\n[device]\nkey_pin = 1234\n', "mappers/c8y/mapper.toml"],
    ["tedge.toml", version2("[c8y.device]\nkey_pin = 0x10\n"), "tedge.toml"]
  ])("of the wrong type in %s stay, and the upgrade is refused with their place", async (_, text, name) => {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), text, { mode: 0o640 })
    expect(await refusal((config) => config.ask("Upgrade", undefined, within))).toMatchObject({
      _tag: "InvalidSetting",
      key: "c8y.device.key_pin",
      value: undefined,
      source: { kind: "file", path: at(name) },
      problem: { kind: "wrong-type", expected: "string", found: "integer" }
    })
    expect(inFile(name)).toBe(text)
    expect([existsSync(at("secrets.toml")), existsSync(`${at(name)}.bak`)]).toEqual([false, false])
  })

  it("are reported where others can read them, and a file of them that is not TOML is an error for them", async () => {
    writeFileSync(at("secrets.toml"), '[device]\nkey_pin = "9"\ntype = "x"\n')
    expect((await answer(get("device.key_pin"))).warnings.map(({ kind }) => kind)).toEqual([
      "unknown-key",
      "secret-exposed"
    ])
    writeFileSync(at("secrets.toml"), "[device\n")
    expect(await refusal(get("device.key_pin"))).toMatchObject({
      _tag: "ConfigFileMalformed",
      path: at("secrets.toml")
    })
  })
})

describe("the settings of tedge-p11-server", () => {
  it("go to tedge-p11-server.toml and are found there, before tedge.toml", async () => {
    await answer(set("p11_server.socket_mode", "600"))
    expect(inFile("tedge-p11-server.toml")).toBe('socket_mode = "600"\n')
    toml(version2('[p11_server]\nsocket_mode = "666"\nmax_connections = 3\n'))
    expect((await answer(get("p11_server.socket_mode"))).value).toBe("600")
    const { value, warnings } = await answer(get("p11_server.max_connections"))
    expect([value, warnings]).toEqual([
      "3",
      [{ kind: "old-place", key: "p11_server.max_connections", path: file(), to: at("tedge-p11-server.toml") }]
    ])
    await upgrade()
    expect(tableIn(at("tedge-p11-server.toml"))).toEqual({ socket_mode: "600", max_connections: 3 })
  })

  it("and rules move with their comments", async () => {
    toml(version2('[p11_server]\n# few\nmax_connections = 3\n\n# root only\n[[p11_server.rules]]\nuser = "root"\n'))
    await upgrade()
    expect(inFile("tedge-p11-server.toml")).toBe(
      '# few\nmax_connections = 3\n\n# root only\n[[rules]]\nuser = "root"\n'
    )
  })

  it("in a file that is no TOML stop nothing else", async () => {
    writeFileSync(at("tedge-p11-server.toml"), "socket_mode\n")
    const expected = { _tag: "ConfigFileMalformed", path: at("tedge-p11-server.toml"), line: 1 }
    expect(await refusal(get("p11_server.socket_mode"))).toMatchObject(expected)
    expect(await refusal(set("p11_server.socket_mode", "600"))).toMatchObject(expected)
    expect((await answer(get("device.type"))).value).toBe("thin-edge.io")
    await answer(set("device.type", "x"))
  })
})
