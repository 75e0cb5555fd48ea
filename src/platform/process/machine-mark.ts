/**
 * Distinguishes this machine from a copy of its storage: by its machine id and hardware serial numbers. Only hashes of
 * them are stored: machine-id(5) requires the id to stay on the machine.
 */
import { createHmac } from "node:crypto"
import { join } from "node:path"
import { textIfReadable } from "../files/read-file.ts"

/** Undefined: the machine has none, or this user may not read it. */
export interface MachineMark {
  readonly id: string | undefined
  readonly hardware: string | undefined
}

/** Written when a connection is set up. */
export const machineFile = (configDir: string): string => join(configDir, ".connected-machine")

/** `root`: the directory that contains /etc, /sys and /proc. */
export const machineMark = (root = "/"): MachineMark => ({
  id: markOf([join(root, "etc/machine-id")]),
  hardware: markOf([join(root, "proc/device-tree/serial-number"), join(root, "sys/class/dmi/id/product_uuid")])
})

export const printMachineMark = ({ id, hardware }: MachineMark): string =>
  `# The machine that connected: tells a copy of this directory from the original\n${id ?? none} ${hardware ?? none}\n`

/** Undefined: not a text of `printMachineMark`. */
export const parseMachineMark = (text: string): MachineMark | undefined => {
  const [, id, hardware] = /^([0-9a-f]{32}|-) ([0-9a-f]{32}|-)$/m.exec(text) ?? []
  if (id === undefined || hardware === undefined) return undefined
  return { id: id === none ? undefined : id, hardware: hardware === none ? undefined : hardware }
}

/** Values that one of the two lacks are not compared. */
export const isSameMachine = (one: MachineMark, other: MachineMark): boolean =>
  (["id", "hardware"] as const).every((part) => {
    const [left, right] = [one[part], other[part]]
    return left === undefined || right === undefined || left === right
  })

const none = "-"

/** Of the first file with content. */
const markOf = (paths: ReadonlyArray<string>): string | undefined => {
  for (const path of paths) {
    const text = textIfReadable(path)?.replaceAll("\0", "").trim()
    if (text !== undefined && /[1-9a-f]/i.test(text) && text !== "uninitialized")
      return createHmac("sha256", text).update("tedge-actors machine").digest("hex").slice(0, 32)
  }
  return undefined
}
