/**
 * Whether this process may open the device nodes of its module. A sandbox closes them whatever their mode says, and the kernel then
 * answers EPERM; a module waits, or reports that there is no token.
 *
 * Source: systemd.resource-control(5), DevicePolicy; Linux, security/device_cgroup.c.
 */
import { closeSync, constants, openSync } from "node:fs"
import { errorCode } from "../../../../platform/process/error-code.ts"
import { LoadFault } from "../../pkcs11/library-file.ts"

/** `open` returns a descriptor, as openSync. */
export const checkDevices = (devices: ReadonlyArray<string>, open = openForUse): void => {
  for (const path of devices) {
    try {
      closeSync(open(path))
    } catch (error) {
      // Anything else is for the module to report: a TPM without resource manager is busy while another program has it.
      if (errorCode(error) === "EPERM") throw new LoadFault("deviceClosed", path)
    }
  }
}

const openForUse = (path: string): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
