/** A device node that a sandbox closes is told as that, before the module is asked. */

import { fstatSync, openSync } from "node:fs"
import { devNull } from "node:os"
import { describe, expect, it } from "vitest"
import { closedDevice } from "../../../src/platform/process/device-access.ts"

const devices = ["/dev/tpmrm0"]

const refusing = (code: string) => (path: string) => {
  throw Object.assign(new Error(`${code}: ${path}`), { code })
}

describe("the device nodes of a module", () => {
  it("one that is closed whatever its mode says is found", () => {
    expect(closedDevice(devices, refusing("EPERM"))).toBe("/dev/tpmrm0")
  })

  it.each(["EACCES", "EBUSY", "ENOENT", "ENXIO"])("%s is for the module to report", (code) => {
    expect(closedDevice(devices, refusing(code))).toBeUndefined()
  })

  it("each is opened and closed again", () => {
    const opened: Array<number> = []
    const open = (path: string) => {
      opened.push(openSync(path, "r"))
      return opened.at(-1) ?? -1
    }
    expect(closedDevice([devNull, devNull], open)).toBeUndefined()
    expect(opened).toHaveLength(2)
    for (const descriptor of opened) expect(() => fstatSync(descriptor)).toThrow("EBADF")
  })
})
