/** The line in mosquitto.conf that the packages add and remove, also where the file cannot be replaced. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { tempDir } from "../support/temp-dir.ts"
import { isRoot } from "../support/test-user.ts"

let dir: string
let conf: string

beforeEach(() => {
  dir = join(tempDir(), "mosquitto")
  mkdirSync(dir)
  conf = join(dir, "mosquitto.conf")
  writeFileSync(conf, before)
})

const before = "listener 1883\ninclude_dir /etc/mosquitto/conf.d\n"
const line = "include_dir /etc/tedge/mosquitto-conf"
const after = `listener 1883\n${line}\ninclude_dir /etc/mosquitto/conf.d\n`

const part = resolve("packaging/debian/parts/mosquitto.sh")

/** `mount`: commands before it, in a mount namespace; empty: none. */
const done = (step: "add_include" | "remove_include", mount = "") => {
  const script = `${mount}; . ${part}; mosquitto_file() { echo ${conf}; }; ${step}; cat ${conf}`
  const [program = "", ...words] = [
    ...(mount === "" ? [] : ["unshare", "--mount"]),
    "sh",
    "-ec",
    script.replace(/^; /, "")
  ]
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8" })
  return { status, stdout, stderr, files: readdirSync(dir) }
}

const files = ["mosquitto.conf"]

describe("the line in mosquitto.conf", () => {
  it("is added once, before the first include_dir, and removed again", () => {
    expect(done("add_include")).toEqual({ status: 0, stdout: after, stderr: "", files })
    expect(done("add_include").stdout).toBe(after)
    expect(done("remove_include")).toEqual({ status: 0, stdout: before, stderr: "", files })
  })

  it.runIf(isRoot)("is written in place where the file is a mount point, as in a container", () => {
    const mount = `mount --bind ${conf} ${conf}`
    expect(done("add_include", mount)).toEqual({ status: 0, stdout: after, stderr: "", files })
    expect(done("remove_include", mount)).toEqual({ status: 0, stdout: before, stderr: "", files })
  })

  it.runIf(isRoot)("is left to the user where nothing can be written, and the installation goes on", () => {
    for (const path of [dir, conf]) {
      writeFileSync(conf, before)
      const mount = `mount --bind ${path} ${path}; mount -o remount,bind,ro ${path}`
      const told = done("add_include", mount)
      expect(told).toMatchObject({ status: 0, stdout: before, files })
      expect(told.stderr).toContain(`${conf} could not be written: its line '${line}' is to be added by hand.\n`)
      writeFileSync(conf, after)
      expect(done("remove_include", mount).stderr).toContain("is to be removed by hand.\n")
    }
    expect(readFileSync(conf, "utf8")).toBe(after)
  })
})
