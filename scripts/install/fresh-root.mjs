/**
 * A fresh Debian in a directory, and commands in it. No init system runs there, as in most containers.
 *
 * What this machine is told about where packages come from (apt's sources and settings, proxies, certificates) holds
 * there too, with its own suite in place of the machine's. Nothing stays mounted or running after `close`.
 */
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { mustRun, run } from "../lib/run.mjs"

/** Why no root can be made here; undefined: it can. */
export const whyNoRoot = async () => {
  if (process.getuid() !== 0) return "only root can make one"
  const { code } = await run("unshare", ["--mount", "--pid", "--fork", "--net", "true"])
  return code === 0 ? undefined : "namespaces are not allowed here (CAP_SYS_ADMIN)"
}

/** `include`: Debian packages besides the smallest system. */
export const makeRoot = async ({ suite, dir, include = [] }) => {
  mkdirSync(dirname(dir), { recursive: true })
  writeFileSync(`${dir}.sources`, sourcesFor(suite))
  writeFileSync(`${dir}.apt.conf`, (await mustRun("apt-config", ["dump", "Acquire"])).stdout)
  const copyAuth =
    'for path in /etc/apt/auth.conf /etc/apt/auth.conf.d; do if [ -e "$path" ]; then cp -a "$path" "$1/etc/apt/"; fi; done'
  await mustRun("mmdebstrap", [
    "--quiet",
    "--variant=minbase",
    `--include=${["ca-certificates", ...include].join(",")}`,
    `--aptopt=${dir}.apt.conf`,
    `--setup-hook=${copyAuth}`,
    suite,
    dir,
    `${dir}.sources`
  ])
  for (const path of ["/etc/resolv.conf", "/etc/hosts", "/usr/local/share/ca-certificates"])
    if (existsSync(path)) cpSync(path, join(dir, path), { recursive: true, dereference: true })
}

/** This machine's sources of Debian itself, for another suite. */
const sourcesFor = (suite) => {
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1]
  const ours = new RegExp(`(^|\\s)${codename}(?=(-updates|-security)?(\\s|$))`, "gm")
  const files = ["/etc/apt/sources.list.d", "/etc/apt"].flatMap((folder) =>
    (existsSync(folder) ? readdirSync(folder) : []).map((name) => join(folder, name))
  )
  const textOf = (ending) => files.filter((file) => file.endsWith(ending)).map((file) => readFileSync(file, "utf8"))
  const paragraphs = textOf(".sources")
    .join("\n\n")
    .replaceAll(/^#.*\n/gm, "")
    .split(/\n{2,}/)
    .filter((paragraph) => new RegExp(`^Suites:.*\\b${codename}\\b`, "m").test(paragraph))
  const lines = textOf(".list")
    .join("\n")
    .split("\n")
    .filter((line) => /^deb /.test(line) && new RegExp(`\\s${codename}(-updates|-security)?\\s`).test(line))
  const found = paragraphs.length > 0 ? paragraphs.join("\n\n") : lines.join("\n")
  if (found.trim() === "") throw new Error(`no apt source of this machine is of its own suite, ${codename}`)
  return `${found.replaceAll(ours, `$1${suite}`)}\n`
}

/**
 * Processes, mounts and a network of its own on the Debian in `dir`. `apt` and `online` have the network of this machine;
 * what else runs there has only a loopback device.
 */
export const openRoot = async (dir) => {
  const prepare = `
    set -eu
    mount --make-rprivate /
    mount --bind "$0" "$0"
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    mount -t tmpfs -o mode=0755 tmpfs "$0/run"
    ip link set lo up
    echo ready
    exec chroot "$0" sleep infinity`
  const child = spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "sh", "-c", prepare, dir],
    {
      stdio: ["ignore", "pipe", "pipe"]
    }
  )
  let said = ""
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text))
  const ended = new Promise((resolve) => child.once("exit", resolve))
  await Promise.race([
    new Promise((resolve) => child.stdout.once("data", resolve)),
    ended.then(() => Promise.reject(new Error(`the root could not be entered: ${said}`)))
  ])
  const init = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim()

  const enter = (namespaces, argv, { env = {}, ...options } = {}) =>
    run("nsenter", ["--target", init, ...namespaces, "--root", "--wd", ...environment(env), ...argv], {
      timeoutMs: 600_000,
      ...options
    })
  const online = (argv) =>
    enter(["--mount", "--pid", "--ipc"], argv, { env: { DEBIAN_FRONTEND: "noninteractive", ...passedOn() } })
  return {
    dir,
    path: (name) => join(dir, name),
    exec: (argv, options) => enter(["--mount", "--pid", "--net", "--ipc"], argv, options),
    apt: (...words) => online(["apt-get", "-q", "-y", ...words]),
    online,
    /** Process id of the first process in there. */
    init,
    /** Ends every process in there, and with the last one its mounts. */
    close: async () => {
      child.kill("SIGKILL")
      await ended
    }
  }
}

const environment = (more) => [
  "env",
  "-i",
  "HOME=/root",
  "LC_ALL=C.UTF-8",
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ...Object.entries(more).map(([name, value]) => `${name}=${value}`)
]

/** What this machine says of proxies and certificates. */
const passedOn = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => /proxy$|^SSL_CERT_(FILE|DIR)$/i.test(name)))
