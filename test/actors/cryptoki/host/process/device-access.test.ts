/** A device node that a sandbox closes is told as that, before the module is asked. */

import { fstatSync, openSync } from "node:fs"
import { devNull } from "node:os"
import { describe, expect, it } from "vitest"
import { checkDevices } from "../../../../../src/actors/cryptoki/host/process/requests.ts"

const devices = ["/dev/tpmrm0"]

const refusing = (code: string) => (path: string) => {
  throw Object.assign(new Error(`${code}: ${path}`), { code })
}

describe("the device nodes of a module", () => {
  it("one that is closed whatever its mode says ends the load", () => {
    const closed = expect.objectContaining({ reason: "deviceClosed", message: "/dev/tpmrm0" })
    expect(() => checkDevices(devices, refusing("EPERM"))).toThrow(closed)
  })

  it.each(["EACCES", "EBUSY", "ENOENT", "ENXIO"])("%s is for the module to report", (code) => {
    expect(() => checkDevices(devices, refusing(code))).not.toThrow()
  })

  it("each is opened and closed again", () => {
    const opened: Array<number> = []
    const open = (path: string) => {
      opened.push(openSync(path, "r"))
      return opened.at(-1) ?? -1
    }
    checkDevices([devNull, devNull], open)
    expect(opened).toHaveLength(2)
    for (const descriptor of opened) expect(() => fstatSync(descriptor)).toThrow("EBADF")
  })
})
