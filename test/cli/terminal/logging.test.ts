/** Log lines and who decides how much is logged. */
import { fstatSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import {
  chosenLogLevel,
  loggingLayer,
  logStyle,
  parseLogLevel,
  systemLogLevel
} from "../../../src/cli/terminal/logging.ts"
import { tempDir } from "../../support/temp-dir.ts"

const plain = { withTime: false, withPriority: false }

const logged = async (work: Effect.Effect<unknown>, level: "warn" | "debug" = "debug", style = plain) => {
  const lines: Array<string> = []
  await Effect.runPromise(Effect.provide(work, loggingLayer({ level, style, write: (line) => lines.push(line) })))
  return lines
}

describe("a log line", () => {
  it("has level, target, message and fields", async () => {
    const work = Effect.logInfo("connected").pipe(Effect.annotateLogs({ target: "tedge_p11_server", tries: 3 }))
    expect(await logged(work)).toEqual([" INFO tedge_p11_server: connected tries=3\n"])
  })

  it("begins with the time in UTC where no journal adds one", async () => {
    expect((await logged(Effect.logWarning("x"), "debug", { ...plain, withTime: true }))[0]).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}WARN tedge: x\n$/
    )
  })

  it("is one line, whatever is in it, and holds no secret", async () => {
    const [line] = await logged(Effect.logError("a\nb", { pin: 1 }, Redacted.make("123456")))
    expect(line).toBe('ERROR tedge: a; b {"pin":1} [REDACTED]\n')
  })

  it("begins with its priority in the journal", async () => {
    const all = Effect.all([
      Effect.logFatal("x"),
      Effect.logError("x"),
      Effect.logWarning("x"),
      Effect.logInfo("x"),
      Effect.logDebug("x")
    ])
    const lines = await logged(all, "debug", { ...plain, withPriority: true })
    expect(lines.map((line) => line.slice(0, 9))).toEqual([
      "<3>FATAL ",
      "<3>ERROR ",
      "<4> WARN ",
      "<6> INFO ",
      "<7>DEBUG "
    ])
  })

  it("has no priority where standard error is not the journal that the environment names", () => {
    const { dev, ino } = fstatSync(2, { bigint: true })
    expect(logStyle({ JOURNAL_STREAM: `${dev}:${ino}` }).withPriority).toBe(true)
    expect(logStyle({ JOURNAL_STREAM: `${dev}:${ino + 1n}` }).withPriority).toBe(false)
    expect(logStyle({}).withPriority).toBe(false)
  })

  it("is not written below the level", async () => {
    expect(await logged(Effect.logInfo("x"), "warn")).toEqual([])
  })
})

describe("the log level", () => {
  it.each([
    ["error", false, { RUST_LOG: "debug" }, "error"],
    [undefined, true, { RUST_LOG: "error" }, "debug"],
    [undefined, false, { RUST_LOG: "TRACE" }, "trace"],
    [undefined, false, { RUST_LOG: "tedge=debug,info" }, "warn"],
    [undefined, false, {}, "warn"]
  ] as const)("option %s, --debug %s, %j: %s", (option, debug, environment, level) => {
    expect(chosenLogLevel({ option, debug, environment, fallback: "warn" })).toBe(level)
  })

  it("can be set for a service or its program in system.toml", () => {
    const dir = tempDir()
    const level = () => systemLogLevel(dir, ["tedge-mapper-c8y", "tedge-mapper"])
    expect(level()).toBeUndefined()
    writeFileSync(join(dir, "system.toml"), '[log]\ntedge-mapper = "error"\n')
    expect(level()).toBe("error")
    writeFileSync(join(dir, "system.toml"), '[log]\ntedge-mapper = "error"\ntedge_mapper_c8y = "trace"\n')
    expect(level()).toBe("trace")
    writeFileSync(join(dir, "system.toml"), "[log")
    expect(level()).toBeUndefined()
  })

  it("has five names", () => {
    expect([parseLogLevel("WARN"), parseLogLevel("verbose")]).toEqual(["warn", undefined])
  })
})
