/**
 * `tedge config` on a device before and after `tedge config upgrade`: get, list, set, unset, add, remove, for each cloud,
 * with and without profile, from tedge.toml of thin-edge 1 and from what thin-edge 2 makes.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { configInProcess } from "../../../support/device/config-in-process.ts"

let dir: string
let tedge: ReturnType<typeof configInProcess>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "upgraded-device-"))
  tedge = configInProcess(dir)
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

interface Section {
  readonly cloud: "c8y" | "az" | "aws"
  readonly profile?: string
}

const keyOf = ({ cloud, profile }: Section) => (profile === undefined ? cloud : `${cloud}.profiles.${profile}`)
const fileOf = ({ cloud, profile }: Section) =>
  join(dir, "mappers", profile === undefined ? cloud : `${cloud}.${profile}`, "mapper.toml")
const inFile = (section: Section) => readFileSync(fileOf(section), "utf8")
const inTedge = () => readFileSync(join(dir, "tedge.toml"), "utf8")

/** A device that thin-edge 1 configured: its clouds are tables of tedge.toml. */
const legacy = (...sections: ReadonlyArray<readonly [Section, string]>) =>
  writeFileSync(
    join(dir, "tedge.toml"),
    `[config]\nversion = "2"\n${sections.map(([section, lines]) => `\n[${keyOf(section)}]\n${lines}\n`).join("")}`
  )
const url = (section: Section) => [section, `url = "${hostOf(section)}"`] as const
const hostOf = ({ cloud, profile }: Section) => `${profile ?? "default"}.${cloud}.example`

const ok = async (...words: ReadonlyArray<string>) => {
  const printed = await tedge(...words)
  expect([words, printed.code, printed.stderr]).toEqual([words, 0, expect.any(String)])
  return printed.stdout
}
const upgrade = () => ok("config", "upgrade")

const c8y: Section = { cloud: "c8y" }
const prod: Section = { cloud: "c8y", profile: "production" }
const az: Section = { cloud: "az" }
const aws: Section = { cloud: "aws" }

const sections: ReadonlyArray<readonly [string, Section]> = [
  ["c8y", c8y],
  ["a profile of c8y", prod],
  ["az", az],
  ["aws", aws]
]

/** Ways to a device whose clouds have files. */
const ways: ReadonlyArray<readonly [string, (section: Section) => Promise<unknown>]> = [
  [
    "after an upgrade",
    (section) => {
      legacy(url(section))
      return upgrade()
    }
  ],
  ["on a fresh device", (section) => ok("config", "set", `${keyOf(section)}.url`, hostOf(section))],
  [
    "after an upgrade of nothing",
    async (section) => {
      await ok("config", "set", `${keyOf(section)}.url`, hostOf(section))
      await upgrade()
    }
  ]
]

describe.each(ways)("%s", (_, make) => {
  it.each(sections)("%s is read, listed, set, unset, added to and removed from in its file", async (_name, section) => {
    const key = keyOf(section)
    await make(section)
    expect(await ok("config", "get", `${key}.url`)).toBe(`${hostOf(section)}\n`)
    expect(await ok("config", "list")).toContain(`${key}.url=${hostOf(section)}\n`)
    expect(await ok("mapper", "config", "get", `${key.replace(".profiles", "")}.url`)).toBe(`${hostOf(section)}\n`)

    await ok("config", "set", `${key}.url`, "updated.example")
    expect(await ok("config", "get", `${key}.url`)).toBe("updated.example\n")
    await ok("config", "set", `${key}.topics`, "te/+/+/+/+/e/+")
    await ok("config", "add", `${key}.topics`, "te/+/+/+/+/a/+")
    expect(inFile(section)).toContain('topics = ["te/+/+/+/+/a/+", "te/+/+/+/+/e/+"]')
    await ok("config", "remove", `${key}.topics`, "te/+/+/+/+/e/+")
    expect(inFile(section)).toContain('topics = ["te/+/+/+/+/a/+"]')
    await ok("config", "unset", `${key}.topics`)
    expect(inFile(section)).not.toContain("topics")
    expect(inFile(section)).toContain('url = "updated.example"')
    expect(inFile(section)).toContain(`cloud_type = "${section.cloud}"`)
    if (existsSync(join(dir, "tedge.toml"))) expect(inTedge()).not.toMatch(/c8y|aws|az/)

    await ok("config", "unset", `${key}.url`)
    expect(existsSync(dirname(fileOf(section)))).toBe(false)
  })
})

describe("beside that", () => {
  it("settings of no cloud stay in tedge.toml", async () => {
    legacy(url(c8y))
    await upgrade()
    await ok("config", "set", "device.type", "custom-device")
    expect(await ok("config", "get", "device.type")).toBe("custom-device\n")
    expect(inTedge()).toContain('[device]\ntype = "custom-device"')
    expect(inFile(c8y)).not.toContain("custom-device")
  })

  it("changes work before and after the upgrade, of several clouds at once", async () => {
    legacy(url(c8y), url(az))
    await ok("config", "set", "c8y.url", "before.example")
    await ok("config", "add", "c8y.smartrest.templates", "template1")
    await ok("config", "add", "c8y.smartrest.templates", "template2")
    expect(existsSync(join(dir, "mappers"))).toBe(false)
    await upgrade()
    expect([await ok("config", "get", "c8y.url"), await ok("config", "get", "az.url")]).toEqual([
      "before.example\n",
      "default.az.example\n"
    ])
    await ok("config", "remove", "c8y.smartrest.templates", "template1")
    expect(inFile(c8y)).toContain('templates = ["template2"]')
    await ok("config", "set", "c8y.url", "after.example")
    await ok("config", "set", "az.url", "after-az.example")
    expect([inFile(c8y), inFile(az)]).toEqual([
      expect.stringContaining("after.example"),
      expect.stringContaining("after-az.example")
    ])
  })

  it("a profile alone gets its file, and the section without profile none", async () => {
    legacy(url(prod))
    await upgrade()
    expect(existsSync(fileOf(c8y))).toBe(false)
    expect(inFile(prod)).toContain('url = "production.c8y.example"')
  })

  it("an emptied profile leaves its directory where something else is in it", async () => {
    await ok("config", "set", "c8y.profiles.production.url", "p.example")
    mkdirSync(join(dirname(fileOf(prod)), "flows"))
    await ok("config", "unset", "c8y.profiles.production.url")
    expect([existsSync(fileOf(prod)), existsSync(dirname(fileOf(prod)))]).toEqual([false, true])
  })
})

it("nothing is written by commands that read", async () => {
  legacy(url(c8y), url(az))
  writeFileSync(join(dir, "tedge.toml"), `# mine\n[c8y]\nurl = "t.example"\nunknown = 1\n[mqtt]\nport = 1883\n`)
  mkdirSync(dirname(fileOf(prod)), { recursive: true })
  writeFileSync(fileOf(prod), '# mine\nurl = "p.example"\nunknown = 1\n')
  const state = () =>
    readdirSync(dir, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => [name, statSync(join(dir, name)).mtimeMs, statSync(join(dir, name)).ino])
  const before = state()
  for (const words of [
    ["config", "get", "c8y.profiles.production.url"],
    ["config", "get", "mqtt.bind.port"],
    ["config", "list", "--all"],
    ["mapper", "list"],
    ["mapper", "config", "get", "c8y.production.url"]
  ])
    await ok(...words)
  expect(state()).toEqual(before)
})

describe("tedge config upgrade", () => {
  it("moves every cloud and profile, with lists, leaves no table, and says on stderr what it did", async () => {
    legacy(
      [
        c8y,
        'url = "default.c8y.example"\ntopics = ["te/+/+/+/+/e/+"]\nsmartrest.templates = ["template1", "template2"]'
      ],
      url(prod),
      url({ cloud: "c8y", profile: "test" }),
      url(az),
      url(aws)
    )
    const before = inTedge()
    const printed = await tedge("config", "upgrade")
    expect(printed).toMatchObject({ code: 0, stdout: "" })
    for (const section of [c8y, prod, { cloud: "c8y", profile: "test" } as const, az, aws]) {
      expect(inFile(section)).toContain(`url = "${hostOf(section)}"`)
      expect(printed.stderr).toContain(fileOf(section))
      expect(statSync(fileOf(section)).mode & 0o777).toBe(0o644)
      expect((statSync(dirname(fileOf(section))).mode & 0o700).toString(8)).toBe("700")
    }
    expect(inFile(c8y)).toContain('topics = ["te/+/+/+/+/e/+"]')
    expect(inFile(c8y)).toMatch(/template1.*template2/)
    expect(inTedge().trim()).toBe('[config]\nversion = "2"')
    expect(readFileSync(join(dir, "tedge.toml.bak"), "utf8")).toBe(before)
  })

  it("changes nothing the second time, and makes no file of an empty table", async () => {
    legacy([c8y, ""], url(az))
    await upgrade()
    expect([existsSync(fileOf(c8y)), inFile(az)]).toEqual([false, 'url = "default.az.example"\ncloud_type = "az"\n'])
    const copy = readFileSync(join(dir, "tedge.toml.bak"), "utf8")
    expect((await tedge("config", "upgrade")).stderr).toContain("Nothing to upgrade")
    expect(readFileSync(join(dir, "tedge.toml.bak"), "utf8")).toBe(copy)
    await ok("config", "set", "c8y.url", "test.example")
    expect(inFile(c8y)).toContain('url = "test.example"')
  })

  it("finishes what an interrupted one began", async () => {
    legacy(url(c8y), url(prod))
    mkdirSync(dirname(fileOf(c8y)), { recursive: true })
    writeFileSync(fileOf(c8y), 'url = "default.c8y.example"\n')
    await upgrade()
    expect([inFile(c8y), inFile(prod), inTedge()]).toEqual([
      expect.stringContaining('url = "default.c8y.example"'),
      expect.stringContaining('url = "production.c8y.example"'),
      expect.not.stringContaining("[c8y")
    ])
  })

  it("makes nothing of a tedge.toml that is no TOML, and says where it is wrong", async () => {
    writeFileSync(join(dir, "tedge.toml"), "[c8y\n")
    const printed = await tedge("config", "upgrade")
    expect(printed.code).toBe(1)
    expect(printed.stderr).toMatch(/tedge\.toml' is not TOML, line 1/)
    expect([existsSync(join(dir, "mappers")), inTedge()]).toEqual([false, "[c8y\n"])
  })
})
