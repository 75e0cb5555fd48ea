import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { codeOf, fileFault } from "../../../src/platform/process/error-code.ts"

const codeOfReading = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    return codeOf(error)
  }
}

describe("why a file cannot be read", () => {
  it.each([
    ["/no/such/file", "missing"],
    [`${import.meta.filename}/below`, "missing"],
    [import.meta.dirname, "isDirectory"]
  ])("%s: %s", (path, fault) => expect(fileFault(codeOfReading(path))).toBe(fault))

  it("is a word of the system's, not a number of a library's", () => {
    const numbered = Object.assign(new Error("Connection refused: Not authorized"), { code: 5 })
    expect(codeOf(numbered)).toBe("Connection refused: Not authorized")
  })

  it("is not known of other errors", () => expect(fileFault("EIO")).toBeUndefined())
})
