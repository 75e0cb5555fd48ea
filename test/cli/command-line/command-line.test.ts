import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runCommandLine } from "../../../src/cli/command-line/command-line.ts"
import type { CommandInput, CommandSpec, Program } from "../../../src/cli/command-line/command-spec.ts"
import { globalOptions, profileOption } from "../../../src/cli/command-line/command-spec.ts"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { parseCommandLine } from "../../../src/cli/command-line/effect-cli.ts"

const label = { name: "label", short: "l", value: "LABEL", summary: "", defaultValue: "tedge" } as const
const set: CommandSpec = {
  name: "set",
  summary: "",
  options: [profileOption, label, { name: "pin", value: "PIN", summary: "", secret: true, env: "THE_PIN" }],
  arguments: [
    { name: "KEY", summary: "" },
    { name: "VALUE", summary: "" }
  ]
}
const key: CommandSpec = {
  name: "key",
  summary: "",
  cloudWord: true,
  options: [label, { name: "curve", value: "CURVE", summary: "", choices: ["p256", "p384"] }],
  arguments: [{ name: "TOKEN", optional: true, summary: "" }]
}
const program: Program = {
  version: "1.2.3",
  globals: globalOptions,
  root: {
    name: "tedge",
    summary: "",
    commands: [
      { name: "config", summary: "", commands: [set] },
      { name: "cert", summary: "", commands: [key] }
    ]
  }
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly input: CommandInput | undefined
}

const run = async (words: ReadonlyArray<string>, environment: Record<string, string> = {}): Promise<Ran> => {
  const out: Array<string> = []
  const err: Array<string> = []
  let input: CommandInput | undefined
  const handler = async () => (given: CommandInput) =>
    Effect.sync(() => {
      input = given
      return 7
    })
  const line = {
    program,
    environment,
    parse: parseCommandLine,
    handlers: { "config set": handler, "cert key": handler },
    output: {
      out: (text: string) => Effect.sync(() => void out.push(text)),
      err: (text: string) => Effect.sync(() => void err.push(text))
    }
  }
  const code = await Effect.runPromise(runCommandLine(line, readWords(program, words)))
  return { code, out: out.join(""), err: err.join(""), input }
}

describe("a command line that is understood", () => {
  it("ends with the exit code of the command", async () => {
    expect((await run(["config", "set", "a", "b"])).code).toBe(7)
  })

  it("takes the options of every command before, between and after the words", async () => {
    for (const words of [
      ["--config-dir", "/x", "config", "set", "a", "b"],
      ["config", "--config-dir=/x", "set", "a", "b"],
      ["config", "set", "a", "b", "--config-dir", "/x"]
    ])
      expect((await run(words)).input?.text("config-dir")).toBe("/x")
  })

  it("never takes the word after a switch for its value", async () => {
    const { input } = await run(["config", "set", "--debug", "true", "1"])
    expect([input?.on("debug"), input?.argument("KEY"), input?.argument("VALUE")]).toEqual([true, "true", "1"])
  })

  it("takes an option before the environment, and that before the default; empty counts as unset", async () => {
    const words = ["config", "set", "a", "b"]
    expect((await run(words)).input?.text("config-dir")).toBe("/etc/tedge")
    expect((await run(words, { TEDGE_CONFIG_DIR: "" })).input?.text("config-dir")).toBe("/etc/tedge")
    expect((await run(words, { TEDGE_CONFIG_DIR: "/e" })).input?.text("config-dir")).toBe("/e")
    expect((await run([...words, "--config-dir", "/o"], { TEDGE_CONFIG_DIR: "/e" })).input?.text("config-dir")).toBe(
      "/o"
    )
    expect((await run([...words, "--config-dir="], { TEDGE_CONFIG_DIR: "/e" })).input?.text("config-dir")).toBe("/e")
  })

  it("takes short options apart from their value, attached and with an equals sign", async () => {
    for (const words of [["-l", "x"], ["-lx"], ["-l=x"]])
      expect((await run(["config", "set", "a", "b", ...words])).input?.text("label")).toBe("x")
  })

  it("redacts secrets, from the command line and from the environment", async () => {
    for (const { input } of [
      await run(["config", "set", "a", "b", "--pin", "123456"]),
      await run(["config", "set", "a", "b"], { THE_PIN: "123456" })
    ]) {
      const pin = input?.secret("pin")
      expect(String(pin)).not.toContain("123456")
      expect(pin && Redacted.value(pin)).toBe("123456")
    }
  })

  it("takes values that begin with a dash after --, and negative numbers anywhere", async () => {
    expect((await run(["config", "set", "a", "--", "-b"])).input?.argument("VALUE")).toBe("-b")
    expect((await run(["config", "set", "a", "-5"])).input?.argument("VALUE")).toBe("-5")
  })

  it("reads the cloud word before and after the argument, with its profile", async () => {
    for (const words of [
      ["cert", "key", "pkcs11:token=t", "c8y", "--profile", "p"],
      ["cert", "key", "c8y", "--profile", "p", "pkcs11:token=t"]
    ]) {
      const { input } = await run(words)
      expect(input?.cloud).toEqual({ cloud: "c8y", profile: "p" })
      expect(input?.argument("TOKEN")).toBe("pkcs11:token=t")
    }
    expect((await run(["cert", "key", "c8y"], { TEDGE_CLOUD_PROFILE: "q" })).input?.cloud?.profile).toBe("q")
    expect((await run(["cert", "key"])).input?.cloud).toBeUndefined()
  })

  it("hands over any value as it was typed", () =>
    fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (first, second) => {
        const { input } = await run(["config", "set", `--label=${second}`, "--", first, second])
        expect(input?.argument("KEY")).toBe(first)
        expect(input?.argument("VALUE")).toBe(second)
        expect(input?.text("label")).toBe(second === "" ? "tedge" : second)
      })
    ))
})

describe("a command line that is not understood", () => {
  const refused = async (...words: ReadonlyArray<string>): Promise<string> => {
    const ran = await run(words)
    expect(ran).toMatchObject({ code: 2, out: "", input: undefined })
    return ran.err
  }

  it("names an unknown command, the nearest one and the usage", async () => {
    expect(await refused("conifg")).toBe(
      [
        "error: unrecognized subcommand 'conifg'",
        "  tip: a similar subcommand exists: 'config'",
        "Usage: tedge [OPTIONS] <COMMAND>",
        "For more information, try '--help'.\n"
      ].join("\n\n")
    )
  })

  it("shows the help of a group whose command is missing", async () => {
    expect(await refused()).toMatch(/Usage: tedge \[OPTIONS\] <COMMAND>\n\nCommands:\n {2}config/)
    expect(await refused("config", "--debug")).toMatch(
      /Usage: tedge config \[OPTIONS\] <COMMAND>\n\nCommands:\n {2}set/
    )
  })

  it("refuses an unknown option instead of taking it for an argument", async () => {
    expect(await refused("cert", "key", "--nope")).toBe(
      [
        "error: unexpected argument '--nope' found",
        "  tip: to pass '--nope' as a value, use '-- --nope'",
        "Usage: tedge cert key [OPTIONS] [TOKEN] [COMMAND]",
        "For more information, try '--help'.\n"
      ].join("\n\n")
    )
  })

  it.each([
    [["cert", "key", "--lable", "x"], "tip: a similar argument exists: '--label'"],
    [
      ["cert", "key", "--curve", "p265"],
      "error: invalid value 'p265' for '--curve <CURVE>'\n  [possible values: p256, p384]"
    ],
    [["cert", "key", "--curve", "p265"], "tip: a similar value exists: 'p256'"],
    [["config", "set", "a"], "error: the following required arguments were not provided:\n  <VALUE>\n"],
    [["config", "set"], "error: the following required arguments were not provided:\n  <KEY>\n  <VALUE>\n"],
    [["config", "set", "a", "b", "c"], "error: unexpected argument 'c' found"],
    [["config", "set", "--label", "--debug"], "error: a value is required for '--label <LABEL>' but none was supplied"],
    [
      ["config", "set", "a", "b", "--label", "--debug", ""],
      "error: a value is required for '--label <LABEL>' but none was supplied"
    ],
    [
      ["cert", "key", "--label", "a", "--label", "b"],
      "error: the argument '--label <LABEL>' cannot be used multiple times"
    ],
    [["--debug=yes", "config"], "error: unexpected value 'yes' for '--debug' found"],
    [["--no-debug", "config", "set", "a", "b"], "error: unexpected argument '--no-debug' found"],
    [["config", "set", "a", "b", "--debug=true"], "error: unexpected value 'true' for '--debug' found"],
    [["cert", "key", "c8y", "az"], "error: unexpected argument 'az' found"],
    [["cert", "key", "t", "c8y", "u"], "error: unexpected argument 'u' found"],
    [["cert", "key", "--profile", "p"], "error: the argument '--profile <PROFILE>' needs a cloud beside it"],
    [["config", "sett", "--help"], "error: unrecognized subcommand 'sett'"],
    [["help", "config", "sett"], "error: unrecognized subcommand 'sett'\n\n  tip: a similar subcommand exists: 'set'"]
  ])("%j is refused: %s", async (words, text) => {
    expect(await refused(...words)).toContain(text)
  })

  it("never prints a secret that was given wrongly", async () => {
    expect(await refused("config", "set", "a", "b", "--pin", "123456", "--pin", "654321")).not.toMatch(/123456|654321/)
  })
})
