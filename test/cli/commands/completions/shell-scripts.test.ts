/** The scripts for shells under another name, beside a `tedge` that is another program. */
import { describe, expect, it } from "vitest"
import { shellScript, shellScripts } from "../../../../src/cli/commands/completions/shell-scripts.ts"

describe("the scripts for shells", () => {
  it.each(["bash", "zsh", "fish"] as const)(
    "complete tedge-hsm in %s, and leave the functions of a tedge beside it",
    (shell) => {
      const script = shellScript(shell, "tedge-hsm")
      expect(script).not.toMatch(/\btedge\b(?!-hsm)|_tedge(?!_hsm)/)
      expect(script).toContain("tedge-hsm")
      expect(shellScript(shell, "tedge")).toBe(shellScripts[shell])
    }
  )
})
