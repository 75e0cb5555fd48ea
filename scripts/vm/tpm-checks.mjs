/**
 * What only a machine of its own can show: a token in a TPM behind the kernel's driver, in the sandboxes of the services. Each goes on from
 * the one before.
 */
import { demand } from "../install/demand.mjs"
import { asPrinted, commandsOf, introduce } from "../install/quick-start-checks.mjs"
import { dropIn, mapper, removeDropIn, server, shippedDropIn } from "./units.mjs"

export const tpmChecks = [
  [
    "the kernel's TPM driver has made /dev/tpmrm0, for the group tss, and no resource manager is installed",
    async (device) => {
      const made = await device.must("stat", "-c", "%F, %G, %a", "/dev/tpmrm0")
      demand(made === "character special file, tss, 660\n", made)
      demand((await device.exec(["sh", "-c", "command -v tpm2-abrmd"])).code !== 0, "tpm2-abrmd is installed")
    }
  ],
  [
    "docs/install.md, TPM 2.0: the commands connect the device as they are printed, with the key in the TPM",
    async (device) => {
      const commands = commandsOf("From a bare Debian to connected: a TPM 2.0")
      await asPrinted(device, commands, async (command) => {
        if (command.startsWith("tedge connect")) await introduce(device)
      })
      await device.tedge("connect", "c8y", "--test")
      const hasKey = async () => /my-key/.test((await device.exec(["tedge", "hsm", "list-keys"])).stdout)
      await device.until(hasKey, "the token has the key")
    }
  ],
  [
    "module mode: the mapper's token host has the TPM and no other device, and runs as the services' user",
    async (device) => {
      demand((await device.show(mapper, "DevicePolicy")) === "closed", "devices are not closed")
      // Of ProtectClock is char-rtc.
      demand((await device.show(mapper, "DeviceAllow")) === "char-rtc r\n/dev/tpmrm0 rw", "another device is allowed")
      // An idle host ends.
      await device.must("systemctl", "restart", mapper)
      await device.until(
        async () => /^tedge +tedge-token-hos$/m.test(await device.must("ps", "-e", "-o", "user=,comm=")),
        "a token host of the user tedge"
      )
    }
  ],
  [
    "module mode without the drop-in: the journal, reconnect and doctor name the device that the unit closes",
    async (device) => {
      await removeDropIn(device, mapper, "tpm2")
      await device.must("systemctl", "restart", mapper)
      await device.until(async () => closed.test(await device.journal("-b", "-u", mapper)), "the journal says so")
      const reconnect = await device.exec(["tedge", "reconnect", "c8y"])
      demand(reconnect.code !== 0 && closed.test(reconnect.stderr), reconnect.stdout + reconnect.stderr)
      const doctor = await device.exec(["tedge", "hsm", "doctor", "c8y"])
      demand(closed.test(doctor.stdout), `the doctor said: ${doctor.stdout}`)
      await shippedDropIn(device, mapper, "tpm2")
      await device.must("systemctl", "restart", mapper)
      await device.until(device.isConnected, "connected with the drop-in")
    }
  ],
  [
    "socket mode without the drop-in: reconnect names the device that the signing service's unit closes",
    async (device) => {
      await device.tedge("config", "set", "device.cryptoki.mode", "socket")
      const reconnect = await device.exec(["tedge", "reconnect", "c8y"])
      demand(reconnect.code !== 0 && closed.test(reconnect.stderr), reconnect.stdout + reconnect.stderr)
    }
  ],
  [
    "socket mode: a mapper that starts has the signing service started by its socket, with the TPM in its sandbox",
    async (device) => {
      await device.tedge("disconnect", "c8y")
      await device.must("systemctl", "stop", server)
      await shippedDropIn(device, server, "tpm2")
      await removeDropIn(device, mapper, "tpm2")
      // It gives a token a minute, in which an emulated machine under load may not sign.
      await device.until(async () => (await device.exec(["tedge", "connect", "c8y"])).code === 0, "connect succeeds")
      demand((await device.show(server, "ActiveState")) === "active", "the service does not run")
      demand((await device.show(server, "DevicePolicy")) === "closed", "devices are not closed")
      demand((await device.show(server, "StatusText")).includes("my-tpm"), "its status does not name the token")
    }
  ],
  [
    "killed services come back by themselves, and connect again",
    async (device) => {
      for (const unit of [server, mapper]) {
        const pid = await device.mainPid(unit)
        await device.must("kill", "-9", pid)
        await device.until(async () => ![pid, "0"].includes(await device.mainPid(unit)), `${unit} is back`)
        await device.until(device.isConnected, "connected again")
      }
    }
  ],
  [
    "a signing service that hangs is started anew by the watchdog",
    async (device) => {
      await dropIn(device, server, "watchdog", "[Service]\nWatchdogSec=20\n")
      await device.must("systemctl", "restart", server)
      const pid = await device.mainPid(server)
      await device.must("kill", "-STOP", pid)
      await device.until(async () => ![pid, "0"].includes(await device.mainPid(server)), "another process")
      demand((await device.journal("-b", "-u", server)).includes("watchdog"), "no word of the watchdog in the journal")
      await removeDropIn(device, server, "watchdog")
      await device.must("systemctl", "restart", server)
      await device.until(device.isConnected, "connected again")
    }
  ],
  [
    "the PIN comes from a credential that the TPM has encrypted",
    async (device) => {
      await device.must("mkdir", "-p", "/etc/credstore.encrypted")
      await device.must("sh", "-euc", encryptPin)
      await device.tedge("config", "unset", "device.cryptoki.pin")
      await shippedDropIn(device, server, "pin-credential")
      await device.must("systemctl", "restart", server)
      await device.until(device.isConnected, "connected with the PIN of the credential")
    }
  ]
]

const closed = /its sandbox closes its device \(\/dev\/tpmrm0\)/

const encryptPin = `
printf 471147 | systemd-creds encrypt --with-key=tpm2 --name=tedge-pin - /etc/credstore.encrypted/tedge-pin`
