/**
 * The packages for arm64, on the files of an arm64 Debian, run by qemu's emulation of the processor. Only by name
 * (`npm run test:install -- arm64`): it needs cross compilers, and takes minutes.
 */
import { spawn } from "node:child_process"
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, join } from "node:path"
import { mustRun } from "../lib/run.mjs"
import { demand } from "./demand.mjs"
import { openRoot, unpackRoot } from "./fresh-root.mjs"
import { runChecks } from "./run-checks.mjs"

const essential = [
  ...["base-files", "base-passwd", "dpkg", "dash", "coreutils", "libc-bin", "grep", "sed", "findutils", "mawk", "tar"],
  ...["diffutils", "debianutils", "init-system-helpers", "perl-base", "passwd", "login", "util-linux"]
]

/** For `unshare`: commands in the kernel's directory of program formats, which is mounted for them. */
const inFormats = (commands, ...words) => [
  ...["--mount", "sh", "-euc"],
  `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc\ncd /proc/sys/fs/binfmt_misc\n${commands}`,
  ...words
]

/** The interpreter is opened here (F), and found in every root. Source: kernel documentation, binfmt_misc. */
const format = (name) =>
  [
    String.raw`:${name}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`,
    String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`,
    "/usr/bin/qemu-aarch64-static:OCF"
  ].join(":")

/** Programs for arm64 run until this process ends: the kernel forgets its formats with the last mount of their directory. */
const startEmulation = async (work) => {
  const register = '[ -e qemu-aarch64 ] || printf %s "$0" >register\necho ready\nexec sleep infinity'
  const child = spawn("unshare", inFormats(register, format(basename(work))), { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve)
    child.once("exit", () => reject(new Error("programs for arm64 cannot be run here")))
  })
}

/** Where this machine has that directory mounted, too, the format stays. */
export const endEmulation = (work) => mustRun("unshare", inFormats('[ ! -e "$0" ] || echo -1 >"$0"', basename(work)))

/** `root`: of the checkout; `work`: an empty directory. Answers how many passed and failed. Call `endEmulation` in the end. */
export const arm64Part = async ({ root, work }) => {
  const [dir, out] = [join(work, "arm64"), join(work, "arm64-packages")]
  await mustRun(process.execPath, ["scripts/package.mjs", "--arch", "arm64", "--out", out], { cwd: root })
  await unpackRoot({ suite: "trixie", dir, architecture: "arm64", packages: [...essential, "nodejs", "softhsm2"] })
  asInstalled(dir)
  const file = readdirSync(out).find((name) => /^tedge-actors_.*\.deb$/.test(name))
  copyFileSync(join(out, file), join(dir, "opt/tedge-actors.deb"))
  await startEmulation(work)
  const debian = await openRoot({ layers: [dir], dir: `${dir}-changes` })
  try {
    return await runChecks(debian, checks, { inOrder: true, title: "arm64: " })
  } finally {
    await debian.close()
  }
}

/** What the packages' own scripts would have made. */
const asInstalled = (dir) => {
  for (const name of ["passwd", "group"])
    copyFileSync(join(dir, `usr/share/base-passwd/${name}.master`), join(dir, "etc", name))
  for (const path of ["etc/shadow", "etc/gshadow", "var/lib/dpkg/status"]) appendFileSync(join(dir, path), "")
  if (!existsSync(join(dir, "usr/bin/awk"))) symlinkSync("mawk", join(dir, "usr/bin/awk"))
  for (const path of ["etc/mosquitto", "opt"]) mkdirSync(join(dir, path), { recursive: true })
  writeFileSync(join(dir, "etc/softhsm/softhsm2.conf"), "directories.tokendir = /var/lib/softhsm/tokens\n")
  chmodSync(join(dir, "var/lib/softhsm/tokens"), 0o1777)
  writeFileSync(join(dir, "etc/mosquitto/mosquitto.conf"), "include_dir /etc/mosquitto/conf.d\n")
}

const ourLine = "include_dir /etc/tedge/mosquitto-conf\n"
const program = "/usr/lib/tedge-actors"

const done = async (debian, ...argv) => {
  const { code, stdout, stderr } = await debian.exec(argv)
  demand(code === 0, `${argv.join(" ")}\n${stdout}${stderr}`)
  return stdout
}

const checks = [
  [
    "the package for arm64 installs: its scripts run, and write the code caches of its Node",
    async (debian) => {
      demand((await done(debian, "uname", "-m")).trim() === "aarch64", "it is another processor")
      await done(debian, "dpkg", "--force-depends", "--install", "/opt/tedge-actors.deb")
      demand(readFileSync(debian.path("/etc/mosquitto/mosquitto.conf"), "utf8").startsWith(ourLine), "no include_dir")
      for (const group of ["softhsm", "tss"])
        demand((await done(debian, "id", "-nG", "tedge")).includes(group), `tedge is not in ${group}`)
      const caches = readdirSync(debian.path(`${program}/dist`)).filter((name) => name.endsWith("-arm64.cache"))
      // Emulated on a busy machine, some may take longer than the minute each has.
      demand(caches.length > 0, "no code cache was written: its Node does not run")
    }
  ],
  [
    "its add-ons load: a token and a key are made and found",
    async (debian) => {
      await done(debian, "tedge", "config", "set", "device.cryptoki.mode", "module")
      await done(debian, "tedge", "config", "set", "device.cryptoki.module_path", "/usr/lib/softhsm/libsofthsm2.so")
      await done(debian, "tedge", "hsm", "init", "--label", "my-token", "--pin", "123456", "--so-pin", "12345678")
      await done(debian, "tedge", "config", "set", "device.cryptoki.pin", "123456")
      await done(debian, "tedge", "hsm", "create-key", "--label", "my-key")
      demand((await done(debian, "tedge", "hsm", "list-keys")).includes("my-key"), "the key is not found")
    }
  ],
  [
    "it is removed and purged, and the token stays",
    async (debian) => {
      await done(debian, "dpkg", "--purge", "tedge-actors")
      const conf = readFileSync(debian.path("/etc/mosquitto/mosquitto.conf"), "utf8")
      demand(!conf.includes(ourLine) && conf !== "", conf)
      demand(!existsSync(debian.path(program)), "program files are left")
      demand((await done(debian, "find", "/var/lib/softhsm", "-name", "*.object")) !== "", "the token is gone")
    }
  ]
]
