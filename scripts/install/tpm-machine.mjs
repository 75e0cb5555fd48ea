/**
 * A machine with a TPM, for a container: swtpm in its network, and tpm2-abrmd in it. /dev/tpmrm0 itself is the kernel's, and
 * is checked in a virtual machine (`npm run test:vm`).
 */
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"

/** Debian packages in the container. */
export const tpmPackages = ["tpm2-abrmd", "libtss2-tcti-tabrmd0", "libtss2-tcti-swtpm0"]

/** What programs are given that would look for /dev/tpmrm0. */
export const tpmEnvironment = "TPM2_PKCS11_TCTI=tabrmd:"

const port = 2321

const unit = `[Service]
Type=dbus
BusName=com.intel.tss2.Tabrmd
User=tss
ExecStart=/usr/sbin/tpm2-abrmd --tcti=swtpm:host=127.0.0.1,port=${port}
`

/** `dir`: for the state of the TPM. */
export const startTpm = async (device, dir) => {
  mkdirSync(dir, { recursive: true })
  const at = (kind, number) => [`--${kind}`, `type=tcp,port=${number},bindaddr=127.0.0.1`]
  const flags = ["--tpmstate", `dir=${dir}`, "--flags", "not-need-init,startup-clear"]
  const [command, ...args] = device.onItsNetwork([
    ...["swtpm", "socket", "--tpm2", ...at("server", port), ...at("ctrl", port + 1), ...flags]
  ])
  const swtpm = spawn(command, args, { stdio: "inherit" })
  const ended = new Promise((resolve) => swtpm.once("exit", resolve))
  const hex = port.toString(16).toUpperCase().padStart(4, "0")
  await device.until(async () => device.read("/proc/1/net/tcp").includes(`:${hex} 00000000:0000 0A`), "swtpm listens")
  // In place of the package's, which waits for /dev/tpm0.
  device.write("/etc/systemd/system/tpm2-abrmd.service", unit)
  await device.must("systemctl", "daemon-reload")
  await device.must("systemctl", "start", "tpm2-abrmd")
  return {
    stop: async () => {
      swtpm.kill("SIGKILL")
      await ended
    }
  }
}
