/** Our numbers and names are those of the standard's own header files. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import * as constants from "../../../../src/actors/cryptoki/pkcs11/pkcs11-constants.ts"
import { codeName, faultClass, returnCodes } from "../../../../src/actors/cryptoki/pkcs11/return-codes.ts"

const folder = join(import.meta.dirname, "../../../../node_modules/pkcs11js/includes/pkcs11")
const headers = readdirSync(folder)
  .map((file) => readFileSync(join(folder, file), "utf8"))
  .join("\n")
const defined = new Map(
  [...headers.matchAll(/^#define\s+(CK[A-Z]_\w+)\s+\(?(0x[0-9A-Fa-f]+|\d+)(?:UL)?\)?/gm)].map(
    ([, name = "", value]) => [name, Number(value)]
  )
)

describe("PKCS#11 numbers", () => {
  it("are there to compare with", () => {
    expect(defined.size).toBeGreaterThan(300)
  })

  it.each(Object.entries(constants).filter(([name]) => name.startsWith("CK")))(
    "%s is the standard's",
    (name, value) => {
      expect(defined.get(name)).toBe(value)
    }
  )

  it("of return codes carry the standard's names", () => {
    for (const [code, [name]] of Object.entries(returnCodes))
      expect([name, defined.get(name)]).toEqual([name, Number(code)])
  })
})

describe("a return code", () => {
  it("that is unknown is a fault of the device, by its number", () => {
    expect(faultClass(0x80000123)).toBe("device")
    expect(codeName(0x80000123)).toBe("0x80000123")
  })

  it.each([
    ["CKR_PIN_INCORRECT", 0xa0, "pin"],
    ["CKR_PIN_LOCKED", 0xa4, "pin"],
    ["CKR_SESSION_HANDLE_INVALID", 0xb3, "session"],
    ["CKR_DEVICE_REMOVED", 0x32, "device"],
    ["CKR_GENERAL_ERROR", 0x05, "device"],
    ["CKR_TEMPLATE_INCONSISTENT", 0xd1, "template"],
    ["CKR_MECHANISM_INVALID", 0x70, "mechanism"],
    ["CKR_ARGUMENTS_BAD", 0x07, "request"]
  ] as const)("%s is told apart by its number", (name, code, kind) => {
    expect([codeName(code), faultClass(code)]).toEqual([name, kind])
  })
})
