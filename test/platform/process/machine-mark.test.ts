/** What tells a machine from one with a copy of its storage. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import {
  isSameMachine,
  machineMark,
  parseMachineMark,
  printMachineMark
} from "../../../src/platform/process/machine-mark.ts"
import { tempDir } from "../../support/temp-dir.ts"

const machine = (files: Readonly<Record<string, string>>) => {
  const root = tempDir()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return machineMark(root)
}

const id = "0123456789abcdef0123456789abcdef\n"
const board = { "proc/device-tree/serial-number": "10000000a1b2c3d4\0" }
const original = () => machine({ "etc/machine-id": id, ...board })

describe("the mark of a machine", () => {
  it("comes back from its file, and does not hold the machine id", () => {
    const text = printMachineMark(original())
    expect(parseMachineMark(text)).toEqual(original())
    expect(text).not.toContain(id.trim())
    expect(parseMachineMark("")).toBeUndefined()
    const unknown = machine({})
    expect(parseMachineMark(printMachineMark(unknown))).toEqual(unknown)
  })

  it("is another one with another machine id, or on other hardware", () => {
    expect(isSameMachine(original(), machine({ "etc/machine-id": id.replaceAll("0", "f"), ...board }))).toBe(false)
    const copied = machine({ "etc/machine-id": id, "proc/device-tree/serial-number": "10000000ffffffff\0" })
    expect(isSameMachine(original(), copied)).toBe(false)
  })

  it("is the same where one of the two cannot be read, or says nothing", () => {
    expect(isSameMachine(original(), machine({ "etc/machine-id": id }))).toBe(true)
    expect(isSameMachine(original(), machine({ "etc/machine-id": "uninitialized\n" }))).toBe(true)
    const nothing = machine({ "sys/class/dmi/id/product_uuid": "00000000-0000-0000-0000-000000000000\n" })
    expect(nothing).toEqual({ id: undefined, hardware: undefined })
  })
})
