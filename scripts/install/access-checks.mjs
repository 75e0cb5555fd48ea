/**
 * What the services' user may reach under systemd, after the service checks: files that only root can read, a device node, a group,
 * a smart card behind pcscd, a copied image. Each failure is caused, and told with the command that mends it.
 */
import { demand } from "./demand.mjs"
import { dropIn, shippedDropIn } from "./service-checks.mjs"

const softHsm = "/usr/lib/softhsm/libsofthsm2.so"
const pin = "123456"
const mapper = "tedge-mapper-c8y.service"
const server = "tedge-p11-server.service"
const optee = `/etc/systemd/system/${server}.d/optee.conf`

const use = async (device, mode, module) => {
  await device.tedge("config", "set", "device.cryptoki.mode", mode)
  await device.tedge("config", "set", "device.cryptoki.module_path", module)
}

const asBefore = async (device) => {
  await use(device, "socket", softHsm)
  await device.exec(["systemctl", "reset-failed", server, "tedge-p11-server.socket"])
  await device.must("systemctl", "restart", "tedge-p11-server.socket", server)
  await device.until(device.isConnected, "connected again")
}

const doctor = async (device) => (await device.exec(["tedge", "hsm", "doctor", "c8y"])).stdout

/** The doctor fails a check with `sentence`, and no longer after the command in its hint. */
const isMended = async (device, breaking, sentence) => {
  await device.must("sh", "-c", breaking)
  const told = await doctor(device)
  const failed = new RegExp(`✗ [^\\n]*${sentence}[^\\n]*\\n *hint: [^\\n]*?sudo ([^\\n]*?)(?:, then .*)?\\n`)
  const [, command] = failed.exec(told) ?? []
  demand(command !== undefined, `the doctor does not tell '${sentence}':\n${told}`)
  await device.must("sh", "-c", command)
  demand(!new RegExp(sentence).test(await doctor(device)), `'${command}' does not mend: ${sentence}`)
}

/** [sentence, check(device)] */
export const accessChecks = [
  [
    "what root can read and the services' user cannot is told with the command that mends it",
    async (device) => {
      const certificate = "/etc/tedge/device-certs/tedge-certificate.pem"
      await isMended(
        device,
        "chown root: /etc/tedge/tedge.toml; chmod 0600 /etc/tedge/tedge.toml",
        "may not read '/etc/tedge/tedge.toml'"
      )
      await isMended(device, `chown root: ${certificate}; chmod 0600 ${certificate}`, `may not read '${certificate}'`)
      await isMended(
        device,
        "chown root: /etc/tedge/device-certs; chmod 0700 /etc/tedge/device-certs",
        "'/etc/tedge/device-certs' is closed to it"
      )
      await device.must("chown", "tedge:tedge", "/etc/tedge/device-certs")
      await use(device, "module", softHsm)
      await isMended(
        device,
        "chown -R root: /var/lib/softhsm/tokens/*; chmod -R go= /var/lib/softhsm/tokens/*",
        "may not read and change"
      )
      await isMended(device, "gpasswd --delete tedge softhsm", "it is not in the group 'softhsm'")
      // A module is known by its name; the device is one that everybody may use, but for its mode.
      await device.must("cp", softHsm, "/usr/lib/libckteec.so.0")
      await use(device, "module", "/usr/lib/libckteec.so.0")
      await isMended(device, "mknod -m 0600 /dev/tee0 c 1 3", "may not read and write '/dev/tee0'")
      await device.must("rm", "/dev/tee0", "/usr/lib/libckteec.so.0")
      await asBefore(device)
    }
  ],
  [
    "connect as root tells settings that the services cannot read, before it starts them",
    async (device) => {
      await device.tedge("disconnect", "c8y")
      await device.must("sh", "-c", "chown root: /etc/tedge/tedge.toml; chmod 0600 /etc/tedge/tedge.toml")
      const { stdout, stderr } = await device.exec(["tedge", "connect", "c8y"])
      const said = stdout + stderr
      demand(/may not read '\/etc\/tedge\/tedge.toml'; sudo chown tedge '/.test(said), said)
      await device.must("chown", "tedge:tedge", "/etc/tedge/tedge.toml")
      await device.exec(["tedge", "disconnect", "c8y"])
      await device.tedge("connect", "c8y")
    }
  ],
  [
    "the drop-in for OP-TEE starts without a group, and with one that is missing says so and does not start again",
    async (device) => {
      await shippedDropIn(device, server, "optee")
      await device.must("systemctl", "restart", server)
      const text = device.read(optee)
      await dropIn(device, server, "optee", text.replace("#SupplementaryGroups=teeclnt", "SupplementaryGroups=teeclnt"))
      demand(device.read(optee) !== text, "the drop-in names no group")
      const { code } = await device.exec(["systemctl", "restart", server])
      demand(code !== 0, "it starts with a group that is not there")
      demand((await device.show(server, "ExecMainStatus")) === "216", "its end has another reason")
      demand((await device.show(server, "NRestarts")) === "0", "it was started again")
      await device.must("groupadd", "--system", "teeclnt")
      await device.must("systemctl", "reset-failed", server, "tedge-p11-server.socket")
      await device.must("systemctl", "restart", server)
      await device.must("rm", optee)
      await device.must("systemctl", "daemon-reload")
      await asBefore(device)
    }
  ],
  [
    "pcscd serves the services' user by the rule of the package, and its refusal is told without it",
    async (device) => {
      device.write("/etc/reader.conf.d/vpcd", await device.cloud.ask("insertCard", pin))
      device.write("/etc/opensc/opensc.conf", "app default { card_drivers = PIV-II; }\n")
      await device.exec(["systemctl", "stop", "pcscd.service"])
      await device.must("systemctl", "start", "pcscd.socket", "polkit.service")
      const found = await device.must("find", "/usr/lib", "-name", "opensc-pkcs11.so", "-not", "-path", "*/pkcs11/*")
      await shippedDropIn(device, server, "smartcard")
      await use(device, "socket", found.trim().split("\n")[0])
      await device.must("systemctl", "restart", server)
      const key = "pkcs11:token=card-holder;object=PIV%20AUTH%20key"
      const request = "/tmp/card.csr"
      const env = ["env", `TEDGE_DEVICE_KEY_URI=${key}`]
      await device.must(...env, "tedge", "cert", "create-csr", "--output-path", request)
      demand((await device.cloud.ask("isSigned", device.read(request))) === true, "the card's signature is wrong")
      await device.tedge("config", "set", "device.cryptoki.mode", "module")
      const listed = async () => (await device.exec(["tedge", "hsm", "list-tokens"])).stderr
      demand(!(await listed()).includes("pcscd refuses"), `with the rule: ${await listed()}`)
      // Debian 12's pcscd has no access check.
      const asks = await device.exec(["test", "-e", "/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy"])
      if (asks.code === 0) {
        await device.must("mv", "/usr/share/polkit-1/rules.d/tedge-actors.rules", "/root/")
        await device.must("systemctl", "restart", "polkit")
        await device.until(
          async () => (await listed()).includes("pcscd refuses the services' user 'tedge'"),
          "the refusal is told"
        )
        await device.must("mv", "/root/tedge-actors.rules", "/usr/share/polkit-1/rules.d/")
        await device.must("systemctl", "restart", "polkit")
        await device.until(async () => !(await listed()).includes("pcscd refuses"), "the rule is back")
      }
      await device.must("rm", `/etc/systemd/system/${server}.d/smartcard.conf`)
      await device.must("systemctl", "daemon-reload")
      await asBefore(device)
    }
  ],
  [
    "the image of a connected device on another machine is told by the doctor, and a device that is reconnected is not",
    async (device) => {
      const mark = device.read("/etc/machine-id")
      device.write("/etc/machine-id", `${"0123456789abcdef".repeat(2)}\n`, 0o444)
      const told = await doctor(device)
      demand(/✗ machine: '\/etc\/tedge' was connected on another machine/.test(told), told)
      device.write("/etc/machine-id", mark, 0o444)
      demand(!(await doctor(device)).includes("another machine"), "it is told of the same machine")
    }
  ],
  [
    "what a PKCS#11 module logs is found under the name of the token host",
    async (device) => {
      await device.must("sh", "-c", "echo 'log.level = DEBUG' >>/etc/softhsm/softhsm2.conf")
      await device.must("systemctl", "restart", server)
      await device.tedge("hsm", "list-keys")
      await device.until(
        async () => (await device.journal("_COMM=tedge-token-hos", "-u", server)).trim() !== "",
        "a line of the token host"
      )
      await device.must("sed", "-i", "/^log.level = DEBUG$/d", "/etc/softhsm/softhsm2.conf")
      await device.must("systemctl", "restart", server, mapper)
      await device.until(device.isConnected, "connected again")
    }
  ]
]
