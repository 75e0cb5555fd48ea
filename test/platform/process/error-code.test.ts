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

  it("is not known of other errors", () => expect(fileFault("EIO")).toBeUndefined())
})
