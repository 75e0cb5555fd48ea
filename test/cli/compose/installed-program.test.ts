/** What help and manual pages of an installation say. */
import { describe, expect, it } from "vitest"
import { manPages } from "../../../src/cli/command-line/man-pages.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { installedProgram } from "../../../src/cli/compose/installed-program.ts"
import { mapperProgram } from "../../../src/cli/services/mapper/mapper-spec.ts"
import { besideThinEdge, everythingOurs } from "../../../src/messages/installation/installation.ts"

const textsOf = (installation: typeof besideThinEdge) =>
  [tedgeProgram, mapperProgram]
    .map((program) => installedProgram(program, installation))
    .flatMap((program) => manPages(program, { section: 1, date: "2026-11-30", seeAlso: [] }))
    .map(({ text }) => text.replaceAll("\\-", "-"))
    .join("\n")

describe("the texts of an installation", () => {
  it("name no command beside thin-edge.io that would be thin-edge.io's there", () => {
    const texts = textsOf(besideThinEdge)
    expect(
      texts.match(/(?<![\w./-])tedge (?!itself|has enabled).*|(?<![\w./-])tedge-mapper (?:c8y|az|aws)/g)
    ).toBeNull()
    expect(texts).toContain("tedge-hsm connect c8y")
  })

  it("are as they were where everything is ours", () => {
    expect(installedProgram(tedgeProgram, everythingOurs).root).toBe(tedgeProgram.root)
  })
})
