/** A user of this machine for one test, with groups of its own: only root can make one. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"

export const isRoot = process.getuid?.() === 0

export interface TestUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** A supplementary group it is in. */
  readonly extraGroup: { readonly name: string; readonly gid: number }
  /** Runs a program as this user, in all its groups. */
  readonly run: (command: string, args: ReadonlyArray<string>) => { readonly status: number; readonly output: string }
  /** As `run`, and goes on. */
  readonly start: (command: string, args: ReadonlyArray<string>) => { readonly kill: () => void }
  readonly remove: () => void
}

export const testUser = (): TestUser => {
  const name = `tt${randomBytes(4).toString("hex")}`
  const extra = `${name}x`
  changed("groupadd", ["--system", extra])
  changed("useradd", ["--system", "--user-group", "--no-create-home", "--groups", extra, name])
  return {
    name,
    uid: Number(execFileSync("id", ["-u", name], { encoding: "utf8" })),
    gid: Number(execFileSync("id", ["-g", name], { encoding: "utf8" })),
    extraGroup: { name: extra, gid: groupId(extra) },
    run: (command, args) => {
      const { status, stdout, stderr } = spawnSync("runuser", ["-u", name, "--", command, ...args], {
        encoding: "utf8",
        cwd: "/"
      })
      return { status: status ?? -1, output: `${stdout}${stderr}` }
    },
    start: (command, args) => {
      // A group of its own, so that the shell's children end too.
      const child = spawn("runuser", ["-u", name, "--", command, ...args], {
        stdio: "ignore",
        cwd: "/",
        detached: true
      })
      return { kill: () => void (child.pid !== undefined && process.kill(-child.pid, "SIGKILL")) }
    },
    remove: () => {
      changed("userdel", [name])
      changed("groupdel", [extra])
    }
  }
}

const groupId = (name: string): number =>
  Number(
    readFileSync("/etc/group", "utf8")
      .split("\n")
      .find((line) => line.startsWith(`${name}:`))
      ?.split(":")[2]
  )

/** Other test processes change the same files; these programs give up while one of them has the lock. */
const changed = (command: string, args: ReadonlyArray<string>): void => {
  for (let tries = 0; ; tries++) {
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8" })
    if (status === 0) return
    // 1 and 10: the file is locked (useradd(8), groupadd(8)).
    if (tries === 200 || !/lock/.test(stderr)) throw new Error(`${command}: ${stderr}`)
    spawnSync("sleep", ["0.05"])
  }
}
