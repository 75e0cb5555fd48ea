/** The system calls behind dist/unix.node, tried on real sockets, files and processes. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { closeSync, openSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, describe, expect, it } from "vitest"
import { notifyManager, tryLock, unlock } from "../../../src/platform/native/unix-addon.ts"
import { testDirectory } from "../../support/tls/pki.ts"

const dir = testDirectory()
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const addonFile = join(process.env.TEDGE_ADDON_DIR ?? join(import.meta.dirname, "../../../dist"), "unix.node")

/** A Node process that has the bare add-on as `unix`. */
const nodeWithAddon = (script: string, args: ReadonlyArray<string> = []) => [
  "-e",
  `const m = { exports: {} }; process.dlopen(m, ${JSON.stringify(addonFile)}); const unix = m.exports; ${script}`,
  "--",
  ...args
]

const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    if (!child.stdout) return reject(new Error("the child has no stdout"))
    createInterface(child.stdout).once("line", resolve)
    child.once("error", reject)
  })

describe("tryLock", () => {
  it("excludes flock(1) until it is unlocked", () => {
    const file = join(dir, "flock")
    const descriptor = openSync(file, "w")
    const lockedByOther = () => spawnSync("flock", ["-n", file, "true"]).status === 0
    expect(tryLock(descriptor)).toBe(true)
    expect(lockedByOther()).toBe(false)
    unlock(descriptor)
    expect(lockedByOther()).toBe(true)
    closeSync(descriptor)
  })

  it("distinguishes a held lock from a descriptor that cannot be locked", () => {
    const file = join(dir, "flock-twice")
    const [one, other] = [openSync(file, "w"), openSync(file, "r+")]
    expect([tryLock(one), tryLock(other)]).toEqual([true, false])
    for (const descriptor of [one, other]) closeSync(descriptor)
    expect(() => tryLock(1_000_000)).toThrow(expect.objectContaining({ code: "EBADF" }))
  })
})

describe("notifyManager", () => {
  /** socat is not everywhere; Python can receive datagrams and is on every Debian with a compiler. */
  const receiver = async (address: string) => {
    const bound = address.startsWith("@") ? `"\\0" + ${JSON.stringify(address.slice(1))}` : JSON.stringify(address)
    const script =
      `import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(${bound})\n` +
      "print('ready', flush=True)\nprint(s.recv(4096).decode(), flush=True)"
    const child = spawn("python3", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] })
    await firstLine(child)
    return child
  }

  it.each(["a path", "an abstract name"])("sends the state to a socket with %s", async (kind) => {
    const address = kind === "a path" ? join(dir, "notify.sock") : `@tedge-test-${process.pid}`
    const child = await receiver(address)
    const heard = firstLine(child)
    notifyManager(address, "READY=1")
    expect(await heard).toBe("READY=1")
  })

  it("fails if the connection is refused, or the path is too long for a socket", () => {
    expect(() => notifyManager(join(dir, "no.sock"), "READY=1")).toThrow(expect.objectContaining({ code: "ENOENT" }))
    expect(() => notifyManager(`/${"x".repeat(200)}`, "")).toThrow(expect.objectContaining({ code: "ENAMETOOLONG" }))
  })
})

describe("endWithParent", () => {
  it("ends a process that is blocked when its parent is killed", async () => {
    const blocked = "unix.endWithParent(process.ppid); console.log(process.pid); for (;;) {}"
    const script =
      `const child = require("node:child_process").spawn(process.execPath, ${JSON.stringify(nodeWithAddon(blocked))}, ` +
      '{ stdio: ["ignore", "inherit", "ignore"] }); setInterval(() => {}, 1000)'
    const parent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] })
    const pid = Number(await firstLine(parent))
    const ended = new Promise((resolve) => parent.stdout?.on("close", resolve)) // the grandchild holds it open
    parent.kill("SIGKILL")
    await ended
    expect(() => readFileSync(`/proc/${pid}/cmdline`)).toSatisfy((read: () => Buffer) => isGone(read))
  })

  it("reports that the parent has exited already", () => {
    const answer = execFileSync(process.execPath, nodeWithAddon("console.log(unix.endWithParent(1))"))
    expect(answer.toString().trim()).toBe("3") // ESRCH
  })
})

/** Nobody, or a zombie that its new parent has not collected. */
const isGone = (read: () => Buffer) => {
  try {
    return read().length === 0
  } catch {
    return true
  }
}

describe("blankArguments", () => {
  const shownBy = (args: ReadonlyArray<string>, ...values: ReadonlyArray<string>) => {
    const script =
      `for (const value of ${JSON.stringify(values)}) unix.blankArgument(value);` +
      'process.stdout.write(require("node:fs").readFileSync("/proc/self/cmdline"))'
    const line = execFileSync(process.execPath, nodeWithAddon(script, args)).toString()
    return line.split("\0").slice(-args.length - 1, -1)
  }

  it("hides a value that is an argument of its own or follows an '='", () => {
    expect(shownBy(["--pin", "s3cret", "--pin=s3cret"], "s3cret")).toEqual(["--pin", "******", "--pin=******"])
  })

  it("hides a PIN inside a URI", () => {
    const uri = "pkcs11:token=a?pin-value=1234&module-name=x"
    expect(shownBy([uri], "1234")).toEqual(["pkcs11:token=a?pin-value=****&module-name=x"])
  })

  it("leaves alone what merely contains the value", () => {
    const args = ["12345", "x1234", "id=12345", "1234x"]
    expect(shownBy(args, "1234", "")).toEqual(args)
  })
})

describe.runIf(process.getuid?.() === 0)("becoming another user", () => {
  it("changes user and groups permanently, even if Node's own calls are refused", () => {
    const script = `
      const ids = () => [process.getuid(), process.geteuid(), process.getgid(), process.getegid(), process.getgroups()]
      const wrong = unix.becomeUser("nobody", -1, 65534)
      const done = unix.becomeUser("nobody", 65534, 65534)
      console.log(JSON.stringify([wrong !== 0, done, ids(), unix.becomeUser("root", 0, 0) !== 0, ids()]))
    `
    const { stdout, stderr } = spawnSync(process.execPath, nodeWithAddon(script), { encoding: "utf8" })
    expect(stderr).toBe("")
    const nobody = [65534, 65534, 65534, 65534, [65534]]
    expect(JSON.parse(stdout)).toEqual([true, 0, nobody, true, nobody])
  })
})
