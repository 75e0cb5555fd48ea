/** The virtual machine as a device that checks speak to: commands, files, its cloud on this machine. */
import { dirname } from "node:path"
import { openDevice } from "../install/device.mjs"
import { cloudName } from "./image.mjs"
import { bootMachine } from "./machine.mjs"

/** Runs `use(device)` with the machine; options as for bootMachine. */
export const withMachine = async (options, use) => {
  const machine = await bootMachine(options)
  try {
    const device = await openDevice(machine, `${options.dir}-around`, cloudName)
    try {
      // Names and addresses come with the network, which the reboot takes away.
      await device.must("systemctl", "start", "played-dns")
      return await use({ ...device, ...files(device), until: patiently(device) })
    } finally {
      await device.close()
    }
  } finally {
    await machine.stop()
  }
}

/** Emulated, and on a machine with other work: only a machine that hangs takes that long. */
const patienceMs = 1_200_000

const patiently = (device) => (found, what) => device.until(found, what, patienceMs)

const files = ({ must, exec }) => ({
  read: (path) => must("cat", path),
  write: async (path, content, mode = 0o644) => {
    await must("mkdir", "-p", dirname(path))
    const { code, stderr } = await exec(["sh", "-euc", 'cat >"$1"; chmod "$2" "$1"', "sh", path, mode.toString(8)], {
      input: content
    })
    if (code !== 0) throw new Error(stderr)
  }
})
