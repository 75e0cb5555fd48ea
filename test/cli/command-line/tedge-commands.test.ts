/** The tables of `tedge` belong together: every command that can be named has its handler, and the other way round. */
import { describe, expect, it } from "vitest"
import { type CommandSpec, commandsAt } from "../../../src/cli/command-line/command-spec.ts"
import { tedgeHandlers } from "../../../src/cli/commands/tedge-handlers.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"

const leaves = (command: CommandSpec, words: ReadonlyArray<string>): ReadonlyArray<string> =>
  command.commands === undefined
    ? [words.join(" ")]
    : command.commands.flatMap((sub) => leaves(sub, [...words, sub.name]))

const all = (command: CommandSpec): ReadonlyArray<CommandSpec> => [command, ...commandsAt(command).flatMap(all)]

describe("the commands of tedge", () => {
  it("each have a handler", () => {
    expect(Object.keys(tedgeHandlers).sort()).toEqual([...leaves(tedgeProgram.root, [])].sort())
  })

  it("have handlers that can be loaded", async () => {
    for (const load of Object.values(tedgeHandlers)) expect(typeof (await load())).toBe("function")
  })

  it("say what they are for, and so do their options", () => {
    const globals = new Set(tedgeProgram.globals)
    for (const command of all(tedgeProgram.root)) {
      expect(command.summary, command.name).not.toBe("")
      for (const option of command.options ?? [])
        if (!globals.has(option)) expect(option.summary, option.name).not.toBe("")
    }
  })

  it("take the profile from TEDGE_CLOUD_PROFILE wherever they take one", () => {
    for (const command of all(tedgeProgram.root))
      for (const option of command.options ?? [])
        if (option.name === "profile") expect(option.env, command.name).toBe("TEDGE_CLOUD_PROFILE")
  })
})
