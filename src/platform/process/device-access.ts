/** Whether this process may open device nodes. */
import { closeSync, constants, openSync } from "node:fs"
import { errorCode } from "./error-code.ts"

/**
 * The first device node that a sandbox closes to this process. It does so whatever their mode, and the kernel then returns
 * EPERM; a PKCS#11 module waits, or reports that there is no token. `open` returns a descriptor, as openSync.
 * Source: systemd.resource-control(5), DevicePolicy; Linux, security/device_cgroup.c.
 */
export const closedDevice = (devices: ReadonlyArray<string>, open = openForUse): string | undefined =>
  devices.find((path) => {
    try {
      closeSync(open(path))
      return false
    } catch (error) {
      // Other errors are reported by the module: a TPM without resource manager is busy while another program uses it.
      return errorCode(error) === "EPERM"
    }
  })

const openForUse = (path: string): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
