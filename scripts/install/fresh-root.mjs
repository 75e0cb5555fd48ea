/**
 * A fresh Debian in a directory, and commands in it. No init system runs there, as in most containers.
 *
 * It is made from where this machine gets its packages (apt's sources and settings, proxies), with its own suite in place of
 * the machine's. What runs in it has a loopback device and no other network. Nothing stays mounted or running after `close`.
 */
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { mustRun, run } from "../lib/run.mjs"

/** Why no root can be made here; undefined: it can. */
export const whyNoRoot = async () => {
  if (process.getuid() !== 0) return "only root can make one"
  const { code } = await run("unshare", ["--mount", "--pid", "--fork", "--net", "true"])
  return code === 0 ? undefined : "namespaces are not allowed here (CAP_SYS_ADMIN)"
}

/**
 * The smallest Debian, in `dir`, and in it an archive of `packages` with what they need and recommend: the only source of its
 * apt, so that nothing is fetched twice, and by nobody after this. `listed`: packages that are only in the archive's index. It
 * is only read: what happens in it goes to layers above it.
 */
export const makeRoot = ({ suite, dir, packages, listed = [] }) =>
  bootstrap(suite, dir, [
    "--variant=minbase",
    // No power fails here that could harm a package database.
    "--dpkgopt=force-unsafe-io",
    `--customize-hook=sh ${archiveScript} "$1" "${packages.join(" ")}" "${listed.join(" ")}"`,
    "--skip=cleanup/apt/lists"
  ])

/** Files of Debian packages and of what they need, in `dir`: none of their scripts has run. */
export const unpackRoot = ({ suite, dir, architecture, packages }) =>
  bootstrap(suite, dir, [`--architectures=${architecture}`, "--variant=extract", `--include=${packages.join(",")}`])

const bootstrap = async (suite, dir, words) => {
  mkdirSync(dirname(dir), { recursive: true })
  writeFileSync(`${dir}.sources`, sourcesFor(suite))
  writeFileSync(`${dir}.apt.conf`, (await mustRun("apt-config", ["dump", "Acquire"])).stdout)
  const copyAuth =
    'for path in /etc/apt/auth.conf /etc/apt/auth.conf.d; do if [ -e "$path" ]; then cp -a "$path" "$1/etc/apt/"; fi; done'
  const from = ["--quiet", `--aptopt=${dir}.apt.conf`, `--setup-hook=${copyAuth}`]
  await mustRun("mmdebstrap", [...from, ...words, suite, dir, `${dir}.sources`])
}

const archiveScript = join(dirname(fileURLToPath(import.meta.url)), "make-archive.sh")

/**
 * Debian packages on top of `layers`, in `dir`, by name and as files; nothing of them is started. Answers the layers, the new
 * one first.
 */
export const addLayer = async ({ layers, dir, packages = [], files = [] }) => {
  const debian = await openRoot({ layers, dir })
  try {
    const policy = debian.path("/usr/sbin/policy-rc.d")
    writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
    const inner = files.map((file) => join("/var/tmp", basename(file)))
    for (const [index, file] of files.entries()) cpSync(file, debian.path(inner[index]))
    const { code, stdout, stderr } = await debian.apt("install", "--no-install-recommends", ...packages, ...inner)
    if (code !== 0) throw new Error(`${[...packages, ...inner].join(" ")} could not be installed\n${stdout}${stderr}`)
    for (const path of [policy, ...inner.map(debian.path)]) rmSync(path)
  } finally {
    await debian.close()
  }
  return [join(dir, "upper"), ...layers]
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
 * Processes, mounts and a network of its own on the Debian in `layers`, the upper first; what changes goes to `dir`.
 */
export const openRoot = async ({ layers, dir }) => {
  for (const name of ["upper", "work", "root"]) mkdirSync(join(dir, name), { recursive: true })
  const prepare = `
    set -eu
    mount --make-rprivate /
    cd "$1"
    mount -t overlay overlay -o "lowerdir=$0,upperdir=$1/upper,workdir=$1/work" root
    mount -t proc proc root/proc
    mount --rbind /dev root/dev
    mount -t tmpfs -o mode=0755 tmpfs root/run
    ip link set lo up
    # Said from inside: until then /proc/PID/root is this machine's.
    exec chroot root sh -c "echo ready; exec sleep infinity"`
  const child = spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "sh", "-c", prepare, layers.join(":"), dir],
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

  const namespaces = ["--mount", "--pid", "--net", "--ipc"]
  const exec = (argv, options) =>
    run("nsenter", ["--target", init, ...namespaces, "--root", "--wd", ...environment, ...argv], {
      timeoutMs: 600_000,
      ...options
    })
  return {
    /** Its files, as they are seen from outside. */
    path: (inner) => join(`/proc/${init}/root`, inner),
    exec,
    apt: (...words) => exec(["apt-get", "-q", "-y", ...words]),
    /** A program of this machine, with the network of the root: [command, ...args]. */
    onItsNetwork: (argv) => ["nsenter", "--target", init, "--net", ...argv],
    /** Ends every process in there, and with the last one its mounts. */
    close: async () => {
      child.kill("SIGKILL")
      await ended
    }
  }
}

const environment = [
  ...["env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"],
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
]
