/** Manual pages say what help says, in roff. */
import { describe, expect, it } from "vitest"
import { manPages } from "../../../src/cli/command-line/man-pages.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { mapperProgram } from "../../../src/cli/services/mapper/mapper-spec.ts"

const facts = { section: 1, date: "2026-11-29", seeAlso: ["tedge-mapper(8)"] } as const
const pages = new Map(manPages(tedgeProgram, facts).map(({ file, text }) => [file, text]))

describe("manual pages", () => {
  it("are one for each command that help lists, none for clouds", () => {
    expect([...pages.keys()]).toEqual(
      expect.arrayContaining([
        "tedge.1",
        "tedge-config.1",
        "tedge-config-set.1",
        "tedge-connect.1",
        "tedge-hsm-doctor.1"
      ])
    )
    expect([...pages.keys()].filter((file) => /-(c8y|az|aws)\.1$/.test(file))).toEqual([])
    expect(manPages(mapperProgram, { ...facts, section: 8 }).map(({ file }) => file)).toEqual(["tedge-mapper.8"])
  })

  it("have synopsis, options with their variables, examples and the page above", () => {
    const text = pages.get("tedge-config-set.1") ?? ""
    expect(text).toMatch(/^\.TH TEDGE-CONFIG-SET 1 2026-11-29 "tedge-actors .*"$/m)
    expect(text).toContain(".SH SYNOPSIS\ntedge config set [OPTIONS] <KEY> <VALUE>")
    expect(text).toContain(".B \\-\\-profile <PROFILE>")
    expect(text).toContain("Environment: TEDGE_CLOUD_PROFILE")
    expect(text).toContain(".SH EXAMPLES")
    expect(text).toContain(".BR tedge\\-config (1)")
  })

  it("begin no line of text with what roff takes for a request", () => {
    const requests = /^\.(TH|SH|TP|B|BR|PP|sp|nh|ad l)\b/
    for (const [file, text] of pages)
      expect(
        text.split("\n").filter((line) => /^[.']/.test(line) && !requests.test(line)),
        file
      ).toEqual([])
  })

  it("keep a backslash, a dot at the start and a dash", () => {
    const root = { name: "x", summary: "a-b\\c", details: [".d is no request"] }
    const text = manPages({ root, globals: [], version: "1" }, facts)[0]?.text ?? ""
    expect(text).toContain("a\\-b\\ec")
    expect(text).toContain("\n\\&.d is no request")
  })
})
