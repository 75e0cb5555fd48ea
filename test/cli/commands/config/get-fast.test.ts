/** The front end of `tedge config get` answers what ConfigActor answers, or nothing. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readWords } from "../../../../src/cli/command-line/command-words.ts"
import { fastGet, fastQuestion } from "../../../../src/cli/commands/config/get-fast.ts"
import { tedgeProgram } from "../../../../src/cli/commands/tedge-spec.ts"
import { settingsTable } from "../../../../src/messages/settings/settings-table.ts"
import { configBench, get, version2 } from "../../../actors/config/config-bench.ts"

const { bench, toml, answer } = configBench()

const fast = (words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) => {
  const question = fastQuestion(readWords(tedgeProgram, ["config", "get", ...words, `--config-dir=${bench.dir}`]))
  return question && fastGet({ ...question, environment, workingDir: "/elsewhere" })
}

const anyKey = fc.oneof(
  fc.constantFrom(
    "c8y.url",
    "c8y.topics",
    "c8y.mqtt",
    "device.id",
    "mqtt.client.port",
    "device.cryptoki.mode",
    "http.bind.address"
  ),
  fc.constantFrom(...settingsTable.map(({ key }) => key)),
  fc.constantFrom(
    "c8y.profiles.p.url",
    "c8y_url",
    "mqtt.port",
    "device.cryptoki.enable",
    "azure.url",
    "no.such.key",
    "c8y.profiles.q.url"
  )
)

const anyLine = fc.constantFrom(
  'device.type = "x"',
  'device.id = "stored"',
  'c8y.url = "t.example"',
  'c8y.topics = ["a", "b"]',
  'c8y.profiles.p.url = "p.example"',
  'c8y.profiles.p.device.key_pin = "1"',
  "mqtt.bind.port = 1884",
  "mqtt.port = 1885",
  'device.cryptoki.mode = "module"',
  'device.cryptoki.mode = "on"',
  'az.device.cert_path = "rel.pem"',
  "nonsense = 1",
  'http.bind.address = ""',
  "x = ["
)

const anyVariable = fc.constantFrom(
  ["TEDGE_C8Y_URL", "v.example"],
  ["TEDGE_C8Y_URL", ""],
  ["TEDGE_C8Y_PROFILES_P_URL", "vp.example"],
  ["TEDGE_CLOUD_PROFILE", "p"],
  ["TEDGE_CLOUD_PROFILE", ""],
  ["TEDGE_DEVICE_CRYPTOKI_ENABLE", "true"],
  ["TEDGE_MQTT_BIND_PORT", "x"],
  ["TEDGE_MQTT_BIND_PORT", "1886"],
  ["TEDGE_C8Y_TOPICS", '["v"]'],
  ["TEDGE_NONSENSE", "1"],
  ["NO_PROXY", "n.example"]
)

describe("the fast answer to config get", () => {
  it("is that of ConfigActor, for any file, environment, key and profile", async () => {
    const answered = { fast: 0, left: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyLine, { maxLength: 3, selector: (line) => line.split(" =")[0] }),
        fc.uniqueArray(anyVariable, { maxLength: 2, selector: ([name]) => name }),
        anyKey,
        fc.option(fc.constantFrom("p", "P", "q", "?"), { nil: undefined, freq: 1 }),
        fc.boolean(),
        async (lines, variables, key, profile, isVersion2) => {
          const text = `${lines.join("\n")}\n`
          toml(isVersion2 ? `config.version = "2"\n${text}` : text)
          const environment: Readonly<Record<string, string>> = Object.fromEntries(variables)
          const value = fast(profile === undefined ? [key] : [`--profile=${profile}`, key], environment)
          answered[value === undefined ? "left" : "fast"] += 1
          if (value === undefined) return
          const slow = await answer(get(key, profile), environment)
          expect({ value, warnings: [] }).toEqual({ value: `${slow.value}\n`, warnings: slow.warnings })
        }
      ),
      { numRuns: 600 }
    )
    expect(answered.fast).toBeGreaterThan(50)
  })

  it("is given for every setting with a value in a plain file", async () => {
    toml(version2('[c8y]\nurl = "t.example"\n'))
    for (const { key } of settingsTable) {
      const { value } = await answer(get(key))
      expect([key, fast([key])]).toEqual([key, value === undefined ? undefined : `${value}\n`])
    }
  })

  it("reads the files of the clouds, and leaves one that cannot be used to the whole program", () => {
    mkdirSync(join(bench.dir, "mappers/c8y"), { recursive: true })
    writeFileSync(join(bench.dir, "mappers/c8y/mapper.toml"), 'url = "t.example"\n')
    expect(fast(["c8y.url"])).toBe("t.example\n")
    writeFileSync(join(bench.dir, "mappers/c8y/mapper.toml"), "url\n")
    expect(fast(["c8y.url"])).toBeUndefined()
    expect(fast(["device.type"])).toBe("thin-edge.io\n")
  })

  it.each([
    [["device.type", "more"]],
    [["--debug", "device.type"]],
    [["--profile", "p", "--profile", "p", "c8y.url"]],
    [["--profile=", "c8y.url"]],
    [[]],
    [["device.type", "--profile"]]
  ])("is left to the whole program for the words %j", (words) => {
    toml(version2("c8y.profiles.p.url = 'x'\n"))
    expect(fast(words)).toBeUndefined()
  })

  it("loads neither Effect nor the library that edits TOML", async () => {
    const { metafile } = await build({
      entryPoints: [join(import.meta.dirname, "../../../../src/cli/commands/config/get-fast.ts")],
      bundle: true,
      platform: "node",
      format: "cjs",
      minify: true,
      write: false,
      metafile: true,
      outfile: "get-fast.cjs"
    })
    const [output] = Object.values(metafile.outputs)
    const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    expect(inputs.map(([name]) => name).filter((name) => /node_modules\/(?!smol-toml)/.test(name))).toEqual([])
    expect(output?.bytes).toBeLessThan(80_000)
  })
})
