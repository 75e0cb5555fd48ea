/**
 * What must be true of an installed device under systemd, in the order in which they are checked: each goes on from the one
 * before. Conditions are waited for, never seconds.
 */
import { readFileSync } from "node:fs"
import { demand } from "./demand.mjs"

const pin = "123456"
const socket = "/run/tedge-p11-server/tedge-p11-server.sock"
const mapper = "tedge-mapper-c8y.service"
const server = "tedge-p11-server.service"

export const dropIn = async (device, unit, name, content) => {
  device.write(`/etc/systemd/system/${unit}.d/${name}.conf`, content)
  await device.must("systemctl", "daemon-reload")
}

export const shippedDropIn = async (device, unit, name) => {
  const text = await device.must("cat", `/usr/share/tedge-actors/drop-ins/${name}.conf`)
  await dropIn(device, unit, name, text)
}

/** [sentence, check(device)] */
export const serviceChecks = [
  [
    "the signing service's socket is enabled and listens, and nothing else of ours runs",
    async (device) => {
      demand(
        (await device.must("systemctl", "is-enabled", "tedge-p11-server.socket")).trim() === "enabled",
        "not enabled"
      )
      demand((await device.show("tedge-p11-server.socket", "ActiveState")) === "active", "the socket is not active")
      for (const unit of [mapper, server])
        demand((await device.show(unit, "ActiveState")) === "inactive", `${unit} runs`)
    }
  ],
  [
    "a token and a key that root makes belong to the services' user",
    async (device) => {
      const address = await device.cloud.ask("address")
      device.write("/etc/tedge/cloud-ca.pem", await device.cloud.ask("authority"))
      const settings = {
        "device.cryptoki.mode": "module",
        "device.cryptoki.module_path": "/usr/lib/softhsm/libsofthsm2.so",
        "device.cryptoki.pin": pin,
        "device.id": "device-1",
        "mqtt.bridge.built_in": "true",
        "c8y.url": "localhost",
        "c8y.mqtt": address,
        "c8y.root_cert_path": "/etc/tedge/cloud-ca.pem"
      }
      for (const [key, value] of Object.entries(settings)) await device.tedge("config", "set", key, value)
      await device.tedge("hsm", "init", "--label", "my-token", "--pin", pin, "--so-pin", "12345678")
      await device.tedge("cert", "create-key-hsm", "--label", "my-key")
      const owners = await device.must("find", "/var/lib/softhsm/tokens", "-mindepth", "1", "-printf", "%u\\n")
      demand(new Set(owners.trim().split("\n")).size === 1 && owners.startsWith("tedge"), `owners: ${owners}`)
    }
  ],
  [
    "module mode: connect, test, reconnect, disconnect, in the mapper's sandbox",
    async (device) => {
      await shippedDropIn(device, mapper, "softhsm2")
      await device.tedge("cert", "create-csr", "--output-path", "/tmp/device.csr")
      const request = readFileSync(device.path("/tmp/device.csr"), "utf8")
      device.write("/etc/tedge/device-certs/tedge-certificate.pem", await device.cloud.ask("certify", request))
      await device.tedge("connect", "c8y")
      await device.tedge("connect", "c8y", "--test")
      const pid = await device.mainPid(mapper)
      const status = readFileSync(device.path(`/proc/${pid}/status`), "utf8")
      demand(/^NoNewPrivs:\s*1$/m.test(status) && /^CapBnd:\s*0+$/m.test(status), "the mapper is not in a sandbox")
      const names = await device.must("ps", "-e", "-o", "user=,comm=")
      demand(
        /^tedge +tedge-token-hos$/m.test(names),
        `no token host of the user tedge has a name of its own:\n${names}`
      )
      await device.tedge("reconnect", "c8y")
      await device.tedge("disconnect", "c8y")
      demand((await device.show(mapper, "ActiveState")) === "inactive", "the mapper still runs")
    }
  ],
  [
    "socket mode: a mapper that starts has the signing service started by its socket",
    async (device) => {
      await shippedDropIn(device, server, "softhsm2")
      await device.tedge("config", "set", "device.cryptoki.mode", "socket")
      demand((await device.show(server, "ActiveState")) === "inactive", "the service runs before it is asked")
      await device.tedge("connect", "c8y")
      demand((await device.show(server, "ActiveState")) === "active", "the service does not run")
      demand((await device.show(server, "StatusText")).includes("my-token"), "its status does not name the token")
      await device.tedge("reconnect", "c8y")
    }
  ],
  [
    "every unit is rated at most 3.0 by this systemd, which has nothing to say of any",
    async (device) => {
      const names = await device.must("sh", "-c", "ls /usr/lib/systemd/system/tedge-*.service | grep -v @")
      const files = names.trim().split("\n")
      for (const file of files)
        await device.must("systemd-analyze", "security", "--offline=true", "--threshold=30", file)
      const { code, stdout, stderr } = await device.exec(["systemd-analyze", "verify", "--man=no", ...files])
      demand(code === 0 && !/tedge-/.test(stderr), stdout + stderr)
    }
  ],
  [
    "the directory of refused PINs is as tmpfiles made it, and of its group the services' user alone writes",
    async (device) => {
      const before = await device.must("stat", "-c", "%U:%G %a", "/run/tedge-pin-latch")
      await device.must("systemctl", "restart", server, mapper)
      await device.until(device.isConnected, "connected after a restart")
      await device.must("systemd-tmpfiles", "--create", "tedge-actors.conf")
      const after = await device.must("stat", "-c", "%U:%G %a", "/run/tedge-pin-latch")
      demand(before === after && after === "root:tedge 2770\n", `before ${before} after ${after}`)
      const asMember = ["setpriv", "--reuid=65534", "--regid=tedge", "--clear-groups"]
      const squatted = await device.exec([...asMember, "touch", "/run/tedge-pin-latch/record"])
      demand(squatted.code !== 0, "a member of the group may write there")
      await device.must(
        "setpriv",
        "--reuid=tedge",
        "--regid=tedge",
        "--clear-groups",
        "touch",
        "/run/tedge-pin-latch/a"
      )
      await device.must("rm", "/run/tedge-pin-latch/a")
    }
  ],
  [
    "a reload reads the settings again, and requests go on",
    async (device) => {
      const pid = await device.mainPid(server)
      await device.tedge("config", "set", "p11_server.log_level", "debug")
      await device.must("systemctl", "reload", server)
      await device.until(
        async () => (await device.journal("-u", server)).includes("settings reloaded"),
        "settings reloaded"
      )
      demand((await device.mainPid(server)) === pid, "it was restarted")
      demand((await device.show(server, "ActiveState")) === "active", "not active after the reload")
      await device.tedge("hsm", "list-keys")
    }
  ],
  [
    "a client waits while the signing service is restarted, and is answered",
    async (device) => {
      const restart = device.must("systemctl", "restart", server)
      const answers = await Promise.all(Array.from({ length: 4 }, () => device.exec(["tedge", "hsm", "list-keys"])))
      await restart
      for (const { code, stderr } of answers) demand(code === 0, stderr)
    }
  ],
  [
    "killed services come back by themselves, and connect again",
    async (device) => {
      for (const unit of [server, mapper]) {
        const pid = await device.mainPid(unit)
        await device.must("kill", "-9", pid)
        const isBack = async () => {
          const now = await device.mainPid(unit)
          return now !== "0" && now !== pid
        }
        // The first client starts the service.
        await device.until(
          async () => (await device.isConnected()) && (unit === server || (await isBack())),
          `${unit} is back`
        )
      }
    }
  ],
  [
    "a signing service that hangs is started anew by the watchdog",
    async (device) => {
      await dropIn(device, server, "watchdog", "[Service]\nWatchdogSec=5\n")
      await device.must("systemctl", "restart", server)
      const pid = await device.mainPid(server)
      await device.must("kill", "-STOP", pid)
      await device.until(async () => ![pid, "0"].includes(await device.mainPid(server)), "another process")
      demand((await device.journal("-u", server)).includes("watchdog"), "no word of the watchdog in the journal")
      await device.must("rm", `/etc/systemd/system/${server}.d/watchdog.conf`)
      await device.must("systemctl", "daemon-reload")
      await device.must("systemctl", "restart", server)
    }
  ],
  [
    "errors have their priority in the journal, and a missing program is not started over and over",
    async (device) => {
      await device.tedge("disconnect", "c8y")
      await device.must("mv", "/usr/bin/tedge-mapper", "/usr/bin/tedge-mapper.away")
      const startedAt = performance.now()
      const { code, stdout, stderr } = await device.exec(["tedge", "connect", "c8y"])
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      const said = `connect said after ${seconds} s: ${stdout}${stderr}`
      demand(code === 1 && /does not keep running: .*tedge-mapper: No such file or directory/.test(stderr), said)
      // It saw the end of the service: no check of the connection ran into its time-out.
      demand(!/has not said anything|trying again|attempt/i.test(stdout + stderr), said)
      demand((await device.show(mapper, "NRestarts")) === "0", "it was restarted")
      await device.must("mv", "/usr/bin/tedge-mapper.away", "/usr/bin/tedge-mapper")
      await device.exec(["tedge", "disconnect", "c8y"])
      await device.tedge("config", "set", "device.cryptoki.module_path", "/usr/lib/no-such-module.so")
      await device.exec(["systemctl", "restart", server])
      await device.until(
        async () => (await device.journal("-p", "err", "-u", server)).includes("no-such-module.so"),
        "the error is found by journalctl -p err"
      )
      demand(!(await device.journal("-p", "err", "-u", server)).includes(" INFO "), "what is no error has its priority")
      await device.tedge("config", "set", "device.cryptoki.module_path", "/usr/lib/softhsm/libsofthsm2.so")
      await device.must("systemctl", "reset-failed", server, "tedge-p11-server.socket")
      await device.must("systemctl", "stop", server)
      await device.must("systemctl", "restart", "tedge-p11-server.socket")
      await device.tedge("connect", "c8y")
    }
  ],
  [
    "the PIN comes from a credential, encrypted or not, and one that is missing is an error",
    async (device) => {
      await device.tedge("config", "unset", "device.cryptoki.pin")
      device.write("/etc/credstore/tedge-pin", `${pin}\n`, 0o600)
      const plain = (await device.must("cat", "/usr/share/tedge-actors/drop-ins/pin-credential.conf"))
        .replaceAll("LoadCredentialEncrypted=", "LoadCredential=")
        .replaceAll("/etc/credstore.encrypted/", "/etc/credstore/")
      await dropIn(device, server, "pin", plain)
      await device.must("systemctl", "restart", server)
      await device.until(device.isConnected, "connected with the PIN of a credential")
      await device.must("mkdir", "-p", "/etc/credstore.encrypted")
      await encryptPin(device)
      await shippedDropIn(device, server, "pin-credential")
      await device.must("rm", `/etc/systemd/system/${server}.d/pin.conf`)
      await device.must("systemctl", "daemon-reload")
      await device.must("systemctl", "restart", server)
      await device.until(device.isConnected, "connected with the PIN of an encrypted credential")
      await takesNewPinAtRestart(device)
      await device.tedge("config", "set", "device.cryptoki.mode", "module")
      await shippedDropIn(device, mapper, "pin-credential")
      await device.must("systemctl", "restart", mapper)
      await device.until(device.isConnected, "the mapper is connected with a credential of its own")
      await device.must("rm", "/etc/credstore.encrypted/tedge-pin")
      const { code } = await device.exec(["systemctl", "restart", server])
      demand(code !== 0, "it starts without its credential")
      await device.exec(["systemctl", "restart", mapper])
      await device.until(
        async () => (await device.show(mapper, "ExecMainStatus")) === "243",
        "the mapper does not start without its credential"
      )
      await device.tedge("config", "set", "device.cryptoki.mode", "socket")
      for (const unit of [server, mapper]) await device.must("rm", `/etc/systemd/system/${unit}.d/pin-credential.conf`)
      await device.must("systemctl", "daemon-reload")
      await device.tedge("config", "set", "device.cryptoki.pin", pin)
      await device.exec(["systemctl", "reset-failed", server, "tedge-p11-server.socket"])
      await device.must("systemctl", "restart", "tedge-p11-server.socket", mapper)
      await device.until(device.isConnected, "connected again")
    }
  ],
  [
    "a stopped socket leaves no file, and a started one is there again",
    async (device) => {
      await device.must("systemctl", "stop", "tedge-p11-server.socket", server)
      demand((await device.exec(["test", "-e", socket])).code !== 0, `${socket} is still there`)
      await device.must("systemctl", "start", "tedge-p11-server.socket")
      demand((await device.exec(["test", "-S", socket])).code === 0, `${socket} is not there`)
      await device.until(device.isConnected, "connected again")
    }
  ]
]

const encryptPin = (device) =>
  device.must(
    ...["systemd-creds", "encrypt", "--with-key=host", "--name=tedge-pin"],
    ...["/etc/credstore/tedge-pin", "/etc/credstore.encrypted/tedge-pin"]
  )

/** As the drop-in says: systemd hands out credentials only when it starts a service. */
const takesNewPinAtRestart = async (device) => {
  const newPin = "654321"
  const changePin = (from, to) =>
    device.must(
      ...["pkcs11-tool", "--module", "/usr/lib/softhsm/libsofthsm2.so", "--token-label", "my-token"],
      ...["--login", "--pin", from, "--change-pin", "--new-pin", to]
    )
  for (const [from, to] of [
    [pin, newPin],
    [newPin, pin]
  ]) {
    await changePin(from, to)
    device.write("/etc/credstore/tedge-pin", `${to}\n`, 0o600)
    await encryptPin(device)
    await device.must("systemctl", "restart", server)
    await device.tedge("hsm", "list-keys")
    await device.until(device.isConnected, "connected with the new PIN of the credential")
  }
  await device.must("rm", "/etc/credstore/tedge-pin")
}
