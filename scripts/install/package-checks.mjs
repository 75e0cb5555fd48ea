/**
 * What must be true of the packages on a fresh Debian without an init system, in the order in which it is checked: each
 * check goes on from the one before.
 */
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { demand } from "./demand.mjs"
import { makeOriginals } from "./played-original.mjs"

const ourLine = "include_dir /etc/tedge/mosquitto-conf"
const socketLink = "/etc/systemd/system/sockets.target.wants/tedge-p11-server.socket"

/** `debian`: an open root, with `debs`: name -> path inside of version 1 and, as `next`, of version 2. */
export const packageChecks = [
  [
    "apt refuses on a Debian whose Node is too old, and tedge-actors-node is enough",
    async (debian) => {
      if (!debian.hasOldNode) return
      const refused = await debian.apt("install", debian.debs["tedge-actors"])
      demand(refused.code !== 0, "installed without a Node")
      demand(/nodejs|tedge-actors-node/.test(refused.stdout + refused.stderr), refused.stdout)
      await debian.install(debian.debs["tedge-actors-node"])
    }
  ],
  [
    "one command installs; settings that root wrote are given to the services' user",
    async (debian) => {
      mkdirSync(debian.path("/etc/tedge"), { recursive: true })
      writeFileSync(debian.path("/etc/tedge/tedge.toml"), '# mine\n[device]\nid = "device-1"\n')
      await debian.install(debian.debs["tedge-actors"])
      demand((await debian.must("tedge", "config", "get", "device.id")).trim() === "device-1", "settings are not read")
      demand((await debian.must("tedge", "--version")).includes(debian.versions[0]), "another version")
      const groups = (await debian.must("id", "-nG", "tedge")).trim().split(" ")
      for (const group of ["tedge", "softhsm", "tss"]) demand(groups.includes(group), `tedge is not in ${group}`)
      const owner = await debian.must("stat", "-c", "%U:%G", "/etc/tedge/tedge.toml", "/etc/tedge/mosquitto-conf")
      demand(owner === "tedge:tedge\ntedge:tedge\n", owner)
    }
  ],
  [
    "mosquitto's own file names our directory, once, before every other include_dir",
    async (debian) => {
      const included = includedDirectories(debian)
      demand(included.filter((line) => line === ourLine).length === 1, `include_dir: ${included.join("; ")}`)
      demand(included[0] === ourLine, `include_dir: ${included.join("; ")}`)
    }
  ],
  [
    "AppArmor's profile of mosquitto, as Ubuntu has it, lets it read our directory",
    async (debian) => {
      mkdirSync(debian.path("/etc/apparmor.d/local"), { recursive: true })
      writeFileSync(debian.path(profile), ubuntusProfile)
      writeFileSync(debian.path(localRules), "# the admin's own\n")
      await debian.must("dpkg-trigger", "--by-package=mosquitto", "/usr/sbin/mosquitto")
      await debian.must("dpkg", "--configure", "--pending")
      demand((await allRules(debian)).includes("/etc/tedge/mosquitto-conf/"), await allRules(debian))
      await debian.must("apparmor_parser", "--skip-kernel-load", "--skip-cache", profile)
    }
  ],
  [
    "only the socket of the signing service is enabled",
    async (debian) => {
      demand(isThere(debian, socketLink), "the socket is not enabled")
      const enabled = await debian.must("find", "/etc/systemd/system", "-name", "tedge-*", "-printf", "%f\\n")
      demand(enabled === "tedge-p11-server.socket\n", `enabled: ${enabled}`)
    }
  ],
  [
    "the add-ons load, a token can be made and used, as root and as the services' user",
    async (debian) => {
      await debian.must("tedge", "config", "set", "device.cryptoki.mode", "module")
      await debian.must("tedge", "config", "set", "device.cryptoki.module_path", "/usr/lib/softhsm/libsofthsm2.so")
      await debian.must("tedge", "hsm", "init", "--label", "my-token", "--pin", "123456", "--so-pin", "12345678")
      await debian.must("tedge", "config", "set", "device.cryptoki.pin", "123456")
      await debian.must("tedge", "hsm", "create-key", "--label", "my-key")
      await debian.must("tedge", "cert", "create")
      const listed = await debian.must(
        "setpriv",
        "--reuid=tedge",
        "--regid=tedge",
        "--init-groups",
        "tedge",
        "hsm",
        "list-keys"
      )
      demand(listed.includes("my-key"), listed)
      writeFileSync(debian.path("/etc/tedge/hsm/tpm2_pkcs11.sqlite3"), "a store")
    }
  ],
  [
    "manual pages, completions and units are there",
    async (debian) => {
      await debian.must("sh", "-c", "zcat /usr/share/man/man1/tedge-connect.1.gz | grep -q 'tedge connect'")
      await debian.must("bash", "-n", "/usr/share/bash-completion/completions/tedge")
      await debian.must("test", "-f", "/usr/lib/systemd/system/tedge-mapper-c8y.service")
    }
  ],
  [
    "an upgrade keeps settings, and a socket that the admin disabled",
    async (debian) => {
      rmSync(debian.path(socketLink))
      const before = readFileSync(debian.path("/etc/tedge/tedge.toml"), "utf8")
      await debian.install(debian.next["tedge-actors"])
      demand((await debian.must("tedge", "--version")).includes(debian.versions[1]), "another version")
      demand(readFileSync(debian.path("/etc/tedge/tedge.toml"), "utf8") === before, "tedge.toml was changed")
      demand(!isThere(debian, socketLink), "the socket is enabled again")
      demand(includedDirectories(debian).filter((line) => line === ourLine).length === 1, "two lines in mosquitto.conf")
    }
  ],
  [
    "the version before installs over this one, keeps what it does not know, and says so",
    async (debian) => {
      appendFileSync(debian.path("/etc/tedge/tedge.toml"), '\n[from_the_future]\nsetting = "kept"\n')
      writeFileSync(debian.path("/etc/tedge/mosquitto-conf/c8y-bridge.conf"), "# marker of a newer version: format 9\n")
      const back = await debian.apt("install", "--allow-downgrades", debian.debs["tedge-actors"])
      demand(back.code === 0, back.stdout + back.stderr)
      await debian.must("tedge", "config", "set", "device.type", "other")
      const { stderr } = await debian.exec(["tedge", "config", "list"])
      demand(/from_the_future/.test(stderr), `nothing said about the unknown setting: ${stderr}`)
      const kept = readFileSync(debian.path("/etc/tedge/tedge.toml"), "utf8")
      demand(/\[from_the_future\]\nsetting = "kept"/.test(kept) && kept.includes("# mine"), kept)
      const marker = readFileSync(debian.path("/etc/tedge/mosquitto-conf/c8y-bridge.conf"), "utf8")
      demand(marker.includes("format 9"), marker)
      demand((await debian.must("tedge", "hsm", "list-keys")).includes("my-key"), "the key is gone")
      rmSync(debian.path("/etc/tedge/mosquitto-conf/c8y-bridge.conf"))
    }
  ],
  [
    "removal takes the line out of mosquitto's file and leaves settings; a new installation finds them",
    async (debian) => {
      await debian.remove("tedge-actors")
      demand(!includedDirectories(debian).includes(ourLine), "the line is still there")
      demand(includedDirectories(debian).length > 0, "Debian's own line is gone, too")
      demand(readFileSync(debian.path(localRules), "utf8") === "# the admin's own\n", "rules for AppArmor are left")
      await debian.must("apparmor_parser", "--skip-kernel-load", "--skip-cache", profile)
      demand(existsSync(debian.path("/etc/tedge/tedge.toml")), "the settings are gone")
      demand(!existsSync(debian.path("/usr/lib/tedge-actors")), "program files are left")
      await debian.install(debian.debs["tedge-actors"])
      demand((await debian.must("tedge", "hsm", "list-keys")).includes("my-key"), "the key is gone")
      demand(includedDirectories(debian)[0] === ourLine, "the line is not back")
      demand(!isThere(debian, socketLink), "the socket is enabled again")
    }
  ],
  [
    "purging takes settings away, and never keys: tokens, their stores, certificates",
    async (debian) => {
      await debian.remove("--purge", "tedge-actors")
      demand(!existsSync(debian.path("/etc/tedge/tedge.toml")), "tedge.toml is left")
      demand(!existsSync(debian.path("/etc/tedge/mosquitto-conf")), "mosquitto-conf is left")
      demand(statSync(debian.path("/etc/tedge/hsm/tpm2_pkcs11.sqlite3")).size > 0, "the TPM store is gone")
      demand(existsSync(debian.path("/etc/tedge/device-certs/tedge-certificate.pem")), "the certificate is gone")
      const tokens = await debian.must("find", "/var/lib/softhsm/tokens", "-name", "*.object")
      demand(tokens.trim() !== "", "the SoftHSM2 token is gone")
      const left = await debian.must(
        "find",
        "/usr/lib",
        "/usr/bin",
        "/usr/share",
        "-path",
        "*tedge*",
        "-not",
        "-path",
        "*tedge-actors-node*"
      )
      demand(left === "", `left: ${left}`)
    }
  ],
  [
    "the bridge and the signing service are installed together, under names of their own",
    async (debian) => {
      await debian.install(debian.debs["tedge-actors-bridge"], debian.debs["tedge-actors-p11-server"])
      demand((await debian.must("tedge-hsm", "--version")).includes(debian.versions[0]), "another version")
      await debian.must("tedge-hsm-bridge", "--help")
      await debian.must("tedge-p11-server", "--help")
      demand(!existsSync(debian.path("/usr/bin/tedge")), "/usr/bin/tedge is there")
      const units = readdirSync(debian.path("/usr/lib/systemd/system")).filter((name) => name.startsWith("tedge-"))
      demand(units.includes("tedge-bridge-c8y.service") && units.includes("tedge-bridge-c8y@.service"), units.join())
      demand(!units.some((name) => name.startsWith("tedge-mapper-")), units.join())
      const handedOver = debian.path("/etc/systemd/system/tedge-mapper-c8y.service.d")
      mkdirSync(handedOver, { recursive: true })
      writeFileSync(`${handedOver}/tedge-hsm.conf`, "[Service]\nEnvironment=TEDGE_MQTT_BRIDGE_BUILT_IN=false\n")
      await debian.remove("--purge", "tedge-actors-bridge")
      demand(!existsSync(handedOver), "thin-edge.io's mapper still leaves the cloud to a bridge that is gone")
      demand(existsSync(debian.path("/etc/tedge/plugins")), "settings of the signing service are gone with the bridge")
      await debian.remove("--purge", "tedge-actors-p11-server")
    }
  ],
  [
    "the signing service takes the place of the original's, and the original's upgrade leaves it there",
    async (debian) => {
      await makeOriginals(debian.path("/opt/original"), "2.0.1")
      writeFileSync(debian.path("/etc/apt/sources.list.d/original.list"), "deb [trusted=yes] file:/opt/original ./\n")
      await debian.update()
      await debian.install("tedge-full")
      demand((await debian.must("tedge-p11-server")) === "original\n", "the played package is not there")
      await debian.install(debian.debs["tedge-actors-p11-server"])
      await makeOriginals(debian.path("/opt/original"), "2.1.0")
      await debian.update()
      const done = await debian.apt("dist-upgrade")
      demand(done.code === 0, done.stdout + done.stderr)
      demand(/^Version: 2\.1\.0$/m.test(await debian.must("dpkg", "-s", "tedge")), "the original was not upgraded")
      demand((await debian.must("tedge-p11-server", "--help")).includes("PKCS#11"), "the original's service is back")
      demand((await debian.must("tedge")) === "original\n", "the original's tedge is gone")
      demand(isThere(debian, socketLink), "the socket is not enabled")
      demand(!isMasked(debian), "the socket is masked")
    }
  ],
  [
    "everything of ours and the original are never on a device together",
    async (debian) => {
      const done = await debian.exec(["dpkg", "--install", "--no-force-conflicts", debian.debs["tedge-actors"]])
      demand(done.code !== 0, `dpkg installed it beside the original: ${done.stdout}`)
      demand((await debian.must("tedge")) === "original\n", "the original's tedge is gone")
      await debian.install(debian.debs["tedge-actors"])
      const left = await debian.must("dpkg", "-l", "tedge*")
      demand(!/^ii +tedge(-mapper|-p11-server|-full|-actors-p11-server)? /m.test(left), left)
      demand((await debian.must("tedge", "--version")).includes(debian.versions[0]), "another version")
    }
  ],
  [
    "purging what the original left behind keeps the settings that ours uses now",
    async (debian) => {
      await debian.must("tedge", "config", "set", "device.type", "kept")
      await debian.remove("--purge", "tedge-actors-p11-server")
      demand((await debian.must("tedge", "config", "get", "device.type")).trim() === "kept", "the settings are gone")
      demand(isThere(debian, socketLink), "the socket is not enabled any more")
    }
  ]
]

const profile = "/etc/apparmor.d/usr.sbin.mosquitto"
const localRules = "/etc/apparmor.d/local/usr.sbin.mosquitto"
const ubuntusProfile = `#include <tunables/global>
/usr/sbin/mosquitto {
  #include <abstractions/base>
  #include <abstractions/nameservice>
  /usr/sbin/mosquitto r,
  /etc/mosquitto/** r,
  /var/lib/mosquitto/** rwk,
  #include <local/usr.sbin.mosquitto>
}
`

/** With what it includes. */
const allRules = (debian) => debian.must("apparmor_parser", "--preprocess", profile)

const includedDirectories = (debian) =>
  readFileSync(debian.path("/etc/mosquitto/mosquitto.conf"), "utf8")
    .split("\n")
    .filter((line) => /^\s*include_dir\s/.test(line))

const isThere = (debian, path) => lstatSync(debian.path(path), { throwIfNoEntry: false }) !== undefined

const isMasked = (debian) => isThere(debian, "/etc/systemd/system/tedge-p11-server.socket")
