/**
 * The Debian packages this project uses, and how to see that each is there.
 *
 * Looked for by the files they install, not by dpkg, so that a mosquitto from elsewhere counts too.
 * Names are those of Debian 12; Debian 13 serves them all, some through `Provides`.
 */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { nodeHeaders } from "./lib/node-headers.mjs"
import { find } from "./lib/run.mjs"

const command = (name) => () => find(name) !== undefined

/** A file below one of the library folders, also in the folder of the machine's architecture. */
const library = (...names) => {
  const folders = ["/usr/lib", "/usr/local/lib"].flatMap((folder) => [folder, ...subfolders(folder)])
  return () => folders.some((folder) => names.some((name) => existsSync(join(folder, name))))
}

const subfolders = (folder) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.includes("-linux-"))
        .map((name) => join(folder, name))
    : []

/**
 * `demo`: what all commands need. `tests`: what the tests need besides. `install`: what `npm run test:install` needs besides that,
 * and `arm64` for its part of that name. `vm`: what `npm run test:vm` needs besides `install`. `docs`: what `npm run test:docs` needs, and nothing else.
 */
const packages = [
  { name: "softhsm2", for: "demo", present: command("softhsm2-util") },
  { name: "gnutls-bin", for: "demo", present: command("p11tool") },
  { name: "mosquitto", for: "demo", present: command("mosquitto") },
  { name: "mosquitto-clients", for: "demo", present: command("mosquitto_pub") },
  { name: "openssl", for: "demo", present: command("openssl") },
  { name: "gcc", for: "demo", present: command("cc") },
  { name: "g++", for: "demo", present: command("g++") },
  { name: "libc6-dev", for: "demo", present: () => existsSync("/usr/include/stdlib.h") },
  { name: "make", for: "demo", present: command("make") },
  { name: "python3", for: "demo", present: command("python3") },
  { name: "libnode-dev", for: "demo", present: () => nodeHeaders() !== undefined },
  { name: "systemd", for: "tests", present: command("systemd-socket-activate") },
  { name: "opensc", for: "tests", present: command("pkcs11-tool") },
  { name: "swtpm", for: "tests", present: command("swtpm") },
  { name: "tpm2-tools", for: "tests", present: command("tpm2_createprimary") },
  { name: "libtpm2-pkcs11-1", for: "tests", present: library("pkcs11/libtpm2_pkcs11.so") },
  { name: "libtss2-tcti-swtpm0", for: "tests", present: library("libtss2-tcti-swtpm.so.0") },
  { name: "tpm2-abrmd", for: "tests", present: command("tpm2-abrmd") },
  { name: "libtss2-tcti-tabrmd0", for: "tests", present: library("libtss2-tcti-tabrmd.so.0") },
  { name: "dbus-daemon", for: "tests", present: command("dbus-daemon") },
  { name: "p11-kit", for: "tests", present: command("p11-kit") },
  { name: "p11-kit-modules", for: "tests", present: library("pkcs11/p11-kit-client.so") },
  { name: "pcscd", for: "tests", present: command("pcscd") },
  { name: "vsmartcard-vpcd", for: "tests", present: () => existsSync("/usr/lib/pcsc/drivers/serial/libifdvpcd.so") },
  { name: "opensc-pkcs11", for: "tests", present: library("opensc-pkcs11.so") },
  { name: "iproute2", for: "tests", present: command("ip") },
  { name: "e2fsprogs", for: "tests", present: command("chattr") },
  { name: "mount", for: "tests", present: command("mount") },
  { name: "binutils", for: "tests", present: command("readelf") },
  { name: "lintian", for: "tests", present: command("lintian") },
  { name: "devscripts", for: "tests", present: command("hardening-check") },
  { name: "zsh", for: "tests", present: command("zsh") },
  { name: "fish", for: "tests", present: command("fish") },
  { name: "mmdebstrap", for: "install", present: command("mmdebstrap") },
  { name: "qemu-system-x86", for: "vm", present: command("qemu-system-x86_64") },
  { name: "gcc-aarch64-linux-gnu", for: "arm64", present: command("aarch64-linux-gnu-gcc") },
  { name: "g++-aarch64-linux-gnu", for: "arm64", present: command("aarch64-linux-gnu-g++") },
  { name: "libc6-dev-arm64-cross", for: "arm64", present: () => existsSync("/usr/aarch64-linux-gnu/include/stdlib.h") },
  { name: "qemu-user-static", for: "arm64", present: command("qemu-aarch64-static") },
  { name: "chromium", for: "docs", present: command("chromium") }
]

const uses = {
  demo: ["demo"],
  tests: ["demo", "tests"],
  install: ["demo", "tests", "install"],
  vm: ["demo", "tests", "install", "vm"],
  arm64: ["demo", "tests", "install", "arm64"],
  docs: ["docs"]
}

/** Names of the packages that are missing for one of the purposes above. */
export const missingPackages = (purpose) =>
  packages.filter((entry) => uses[purpose].includes(entry.for) && !entry.present()).map(({ name }) => name)
