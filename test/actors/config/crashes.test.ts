/** A crash, and a disk that fails, at each operation on a file: what is left reads as before or as wanted, and is gone on with. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Redacted } from "effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { parseToml } from "../../../src/platform/toml/toml-file.ts"
import { configBench, set, type Use, unset, version2, within } from "./config-bench.ts"
import { type Faults, faults } from "./failing-files.ts"

vi.mock("node:fs", async (original) => (await import("./failing-files.ts")).failingFiles(original as never))

const { bench, answer } = configBench()

afterEach(() => {
  faults.at = undefined
})

type Files = Readonly<Record<string, string>>

const begin = (files: Files): void => {
  faults.at = undefined
  for (const name of readdirSync(bench.dir)) rmSync(join(bench.dir, name), { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(bench.dir, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, 0o640)
  }
}

/** All but what the next writer takes away. */
const present = (): Files => {
  const names = readdirSync(bench.dir, { recursive: true, encoding: "utf8" }).sort()
  const files = names.filter((name) => /\.(toml|bak|\d)$/.test(name) && !/(^|\/)\.[^/]+\.tmp$/.test(name))
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(bench.dir, name), "utf8")]))
}

const isCopy = (name: string): boolean => /\.bak(\.\d+)?$/.test(name)

const withoutCopies = (files: Files): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !isCopy(name)))

const sections = (["c8y", "az", "aws"] as const).flatMap((cloud) =>
  [null, "p", "q"].map((profile) => ({ cloud, profile }))
)

/** What each section connects with; `refused` where it cannot be read. */
const reads = () => {
  const asked: Use<ReadonlyArray<unknown>, never> = (config) =>
    Effect.forEach(sections, (section) =>
      Effect.match(config.ask("ReadCloudSettings", section, within), {
        onSuccess: ({ settings: { cloud, cryptoki } }): unknown => {
          const pin = cloud.device.key.uri?.pinValue ?? cloud.device.key.pin ?? cryptoki.pin ?? cryptoki.uri?.pinValue
          return [cloud.url, cloud.device.key.uri?.token, pin && Redacted.value(pin), cloud.topics]
        },
        onFailure: ({ _tag }) => `refused: ${_tag}`
      })
    )
  return answer(asked)
}

const attempt = async (work: Use<unknown, unknown>): Promise<string> => {
  const tried: Use<string, never> = (config) =>
    Effect.match(work(config), { onSuccess: () => "done", onFailure: () => "refused" })
  return answer(tried)
}

/** Calls `look` after a fault at each operation that `work` makes on `files`; once where several leave the same files. */
const atEachOperation = async (
  files: Files,
  work: Use<unknown, unknown>,
  how: Faults["how"],
  look: (at: number, outcome: string) => Promise<void>
): Promise<number> => {
  const seen = new Set<string>()
  for (let at = 1; ; at++) {
    begin(files)
    Object.assign(faults, { at, how, calls: 0 })
    const outcome = await attempt(work)
    const wasHit = faults.calls >= at
    faults.at = undefined
    if (!wasHit) return at - 1
    const left = JSON.stringify([outcome, readdirSync(bench.dir, { recursive: true }).sort(), present()])
    if (seen.has(left)) continue
    seen.add(left)
    await look(at, outcome)
  }
}

const upgrade: Use<unknown, unknown> = (config) => config.ask("Upgrade", undefined, within)

const uri = (token: string, pin: string): string => `pkcs11:token=${token}?pin-value=${pin}`

const oldDevice = version2(`# of the device
[device]
key_uri = "${uri("d", "1")}"
[device.cryptoki]
mode = "module"
module_path = "/m.so"
pin = "2" # the provider's
[c8y.profiles.p]
url = "p.example" # production
device.key_uri = "${uri("p", "3")}"
[c8y]
url = "c.example"
topics = ["a"]
[c8y.device]
key_uri = "pkcs11:token=c"
key_pin = "4"
[c8y.profiles.q]
url = "q.example"
[aws]
url = "w.example"
device.key_pin = "5"
device.key_uri = "pkcs11:token=w"
[p11_server]
max_connections = 3
`)

const upgrades: ReadonlyArray<readonly [string, Files]> = [
  ["a device of thin-edge 1", { "tedge.toml": oldDevice }],
  [
    "one with a copy of an earlier upgrade",
    { "tedge.toml": version2('[c8y]\nurl = "c.example"\n'), "tedge.toml.bak": "# thin-edge's own\n" }
  ],
  [
    "one of thin-edge 2, with secrets in its files and a table that is ignored",
    {
      "tedge.toml": version2(
        `[device.cryptoki]\nuri = "${uri("x", "6")}"\n[c8y]\nurl = "stale.example"\n[c8y.profiles.q]\nurl = "q.example"\n`
      ),
      "mappers/c8y/mapper.toml": `# mine\nurl = "c.example"\n[device]\nkey_uri = "${uri("c", "7")}"\n`,
      "mappers/c8y.p/mapper.toml": 'url = "p.example"\n[device]\nkey_pin = "8"\nkey_uri = "pkcs11:token=p"\n',
      "mappers/az/mapper.toml": 'url = "a.example"\n[device]\nkey_pin = "9"\n'
    }
  ],
  [
    "one whose tedge.toml is of version 1",
    { "tedge.toml": '[mqtt]\nport = 1884\n[az]\nmapper_timestamp = false\nurl = "a.example"\n' }
  ]
]

describe.each(upgrades)("config upgrade of %s", (_, files) => {
  it("goes on after a crash at any operation, and no copy is written over", async () => {
    begin(files)
    const before = await reads()
    await answer(upgrade)
    const [after, wanted] = [await reads(), withoutCopies(present())]
    const operations = await atEachOperation(files, upgrade, "crash", async (at) => {
      const left = present()
      for (const [name, text] of Object.entries(left))
        expect([at, name, parseToml(text).kind]).toEqual([at, name, "tree"])
      for (const [index, now] of (await reads()).entries())
        expect([before[index], after[index], "refused: UnknownProfile"]).toContainEqual(now)
      await answer(upgrade)
      expect([at, withoutCopies(present())]).toEqual([at, wanted])
      const now = present()
      for (const [name, text] of Object.entries(files)) {
        if (isCopy(name)) expect([at, now[name]]).toEqual([at, text])
        else if (wanted[name] !== text)
          expect([at, name, copiesOf(now, name)]).toEqual([at, name, expect.arrayContaining([text])])
      }
    })
    expect(operations).toBeGreaterThan(10)
  }, 300_000)
})

it("an upgrade changes nothing where an operation fails, or is done all the same", async () => {
  const files = { "tedge.toml": oldDevice }
  begin(files)
  const before = present()
  await answer(upgrade)
  const wanted = present()
  await atEachOperation(files, upgrade, "fail", async (at, outcome) => {
    expect([at, outcome, present()]).toEqual([at, outcome, outcome === "done" ? wanted : before])
  })
}, 300_000)

const copiesOf = (files: Files, name: string): ReadonlyArray<string> =>
  Object.entries(files).flatMap(([one, text]) => (one.startsWith(`${name}.bak`) ? text : []))

const changes: ReadonlyArray<readonly [string, Files, Use<unknown, unknown>]> = [
  [
    "a PIN that is in tedge.toml",
    { "tedge.toml": version2('[device]\nkey_uri = "pkcs11:token=d"\nkey_pin = "1"\n') },
    set("device.key_pin", "2")
  ],
  [
    "a URI with a PIN, where the old one is in secrets.toml",
    {
      "tedge.toml": version2('[device]\nkey_uri = "pkcs11:token=d"\n'),
      "secrets.toml": '[device]\nkey_pin = "1"\n'
    },
    set("device.key_uri", uri("e", "2"))
  ],
  [
    "a URI with a PIN, where the old one is in a mapper.toml with its own",
    { "mappers/c8y/mapper.toml": `url = "c.example"\n[device]\nkey_uri = "${uri("c", "1")}"\nkey_pin = "0"\n` },
    set("c8y.device.key_uri", uri("e", "2"))
  ],
  [
    "no PIN, where it is in two files",
    {
      "tedge.toml": version2('[device.cryptoki]\npin = "1"\n'),
      "secrets.toml": '[device.cryptoki]\npin = "2"\n'
    },
    unset("device.cryptoki.pin")
  ]
]

describe.each(changes)("config set of %s", (_, files, change) => {
  it("leaves what was before or what is wanted, after a crash at any operation", async () => {
    begin(files)
    const before = await reads()
    await answer(change)
    const [after, wanted] = [await reads(), present()]
    expect(after).not.toEqual(before)
    const operations = await atEachOperation(files, change, "crash", async (at) => {
      expect([before, after].map((one) => [at, one])).toContainEqual([at, await reads()])
      await answer(change)
      expect([at, present()]).toEqual([at, wanted])
    })
    expect(operations).toBeGreaterThan(5)
  }, 300_000)

  it("changes nothing where an operation fails, or is done all the same", async () => {
    begin(files)
    const before = present()
    await answer(change)
    const wanted = present()
    await atEachOperation(files, change, "fail", async (at, outcome) => {
      expect([at, outcome, present()]).toEqual([at, outcome, outcome === "done" ? wanted : before])
    })
  }, 300_000)
})

it("a crash is one: nothing is changed after it", () => {
  Object.assign(faults, { at: 1, how: "crash", calls: 0 })
  expect(() => mkdirSync(join(bench.dir, "x"))).toThrow()
  expect(() => mkdirSync(join(bench.dir, "x"))).toThrow()
  faults.at = undefined
  expect(existsSync(join(bench.dir, "x"))).toBe(false)
})
