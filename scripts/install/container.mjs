/**
 * A Debian with systemd as PID 1, in namespaces of its own: no container program is needed, only root.
 *
 * Files of the Debian are not changed: an overlay takes what is written. Nothing is left: mounts end with the last process,
 * processes with PID 1, and the control group is removed; where this process is killed, by `removeGroupsOf`.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { run } from "../lib/run.mjs"

const bootScript = join(dirname(fileURLToPath(import.meta.url)), "boot-container.sh")

/** Why no container can be made here; undefined: it can. */
export const whyNoContainer = async () => {
  if (process.getuid() !== 0) return "only root can make one"
  if (unifiedHierarchy() === undefined) return "no cgroup2 is mounted here"
  const { code } = await run("unshare", ["--mount", "--pid", "--fork", "--net", "--cgroup", "true"])
  return code === 0 ? undefined : "namespaces are not allowed here (CAP_SYS_ADMIN)"
}

/**
 * `layers`: directories with a Debian, the upper first. `dir`: an empty directory for what it changes; given again, it boots
 * with what was changed before, as a device does. Resolves when systemd has started all it was asked to.
 */
export const bootContainer = async ({ layers, dir, name = "tedge-device" }) => {
  mkdirSync(dir, { recursive: true })
  const group = join(unifiedHierarchy(), groupNameOf(dir))
  mkdirSync(group)
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--net", "--cgroup"]
  // In its own group before its group namespace is made, which has that as its root.
  const start = 'echo $$ >"$0/cgroup.procs"; exec unshare "$@"'
  const child = spawn("sh", ["-c", start, group, ...namespaces, bootScript, layers.join(":"), dir, name], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  let said = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      said = (said + text).slice(-4000)
    })
  const ended = new Promise((resolve) => child.once("exit", resolve))
  const stop = async () => {
    end(child.pid)
    await ended
    await removeGroup(group)
  }
  /** Runs a command in the container to its end, as `run`. */
  const exec = async (argv, options = {}) => {
    const [command, ...args] = inside(firstChild(child.pid), argv)
    return run(command, args, { timeoutMs: 300_000, ...options })
  }
  try {
    await booted(exec, {
      isInit: () => readIfThere(`/proc/${firstChild(child.pid)}/comm`) === "systemd\n",
      whyEnded: () => (child.exitCode === null && child.signalCode === null ? undefined : said)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    exec,
    stop,
    /** Its files, as they are seen from outside. */
    path: (inner) => join(`/proc/${firstChild(child.pid)}/root`, inner),
    /** A program of this machine, with the container's network: [command, ...args]. */
    onItsNetwork: (argv) => ["nsenter", "--target", String(firstChild(child.pid)), "--net", ...argv]
  }
}

/** Of the containers whose changes go to directories in `dir`, when they have ended. */
export const removeGroupsOf = async (dir) => {
  const hierarchy = unifiedHierarchy()
  for (const name of hierarchy === undefined ? [] : readdirSync(hierarchy))
    if (name.startsWith(groupNameOf(dir))) await removeGroup(join(hierarchy, name))
}

const groupNameOf = (dir) => dir.slice(1).replaceAll("/", "-")

/** Before its PID 1 is systemd, systemctl would ask that of this machine. */
const booted = async (exec, { isInit, whyEnded }) => {
  for (let tries = 0; ; tries++) {
    const ended = whyEnded()
    if (ended !== undefined) throw new Error(`the container did not start:\n${ended}`)
    const { stdout } = isInit() ? await exec(["systemctl", "is-system-running", "--wait"]) : { stdout: "" }
    // Degraded: a unit failed that only makes sense on a machine of its own.
    if (/^(running|degraded)$/m.test(stdout)) return
    if (tries === 600) throw new Error(`the container does not come up: ${stdout}`)
    await delay(100)
  }
}

const inside = (pid, argv) => [
  ...["nsenter", "--target", String(pid), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--net", "--root", "--wd"],
  ...["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "HOME=/root", "LC_ALL=C.UTF-8"],
  ...["DEBIAN_FRONTEND=noninteractive", ...argv]
]

/** PID 1 of the container: the child of unshare. */
const firstChild = (pid) => Number(readIfThere(`/proc/${pid}/task/${pid}/children`).trim().split(" ")[0] || pid)

/** PID 1 first: with it ends every process of its namespace. */
const end = (pid) => {
  for (const one of [firstChild(pid), pid]) {
    try {
      process.kill(one, "SIGKILL")
    } catch {
      // gone already
    }
  }
}

const unifiedHierarchy = () =>
  ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find(
    (path) => existsSync(join(path, "cgroup.procs")) && existsSync(join(path, "cgroup.controllers"))
  )

/** The kernel takes a moment to see that the last process has gone. */
const removeGroup = async (group) => {
  for (let tries = 0; existsSync(group); tries++) {
    try {
      removeTree(group)
    } catch (error) {
      if (tries === 100) throw error
      await delay(50)
    }
  }
}

const removeTree = (group) => {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(group, entry.name))
  rmdirSync(group)
}

const readIfThere = (path) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}
