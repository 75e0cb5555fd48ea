/** What a module opens, by its name and environment. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { moduleDevices, moduleFiles } from "../../../../src/actors/cryptoki/host/module-files.ts"
import { explainClosed } from "../../../../src/messages/explain/platform.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const opened = (path: string, environment: NodeJS.ProcessEnv, home = "/nonexistent") =>
  moduleFiles(path, environment, home)
    .slice(1)
    .map((file) => `${file.needs} ${file.path}`)

describe("the files a module opens", () => {
  it.each([
    ["/usr/lib/libtpm2_pkcs11.so.1", {}, ["rw /dev/tpmrm0"]],
    ["/usr/lib/libtpm2_pkcs11.so", { TPM2_PKCS11_TCTI: "device:/dev/tpm0" }, ["rw /dev/tpm0"]],
    ["/usr/lib/libtpm2_pkcs11.so", { TPM2_PKCS11_TCTI: "tabrmd:" }, []],
    [
      "/usr/lib/libtpm2_pkcs11.so",
      { TPM2_PKCS11_TCTI: "swtpm:port=1", TPM2_PKCS11_STORE: "/s" },
      ["rwx /s", "rw /s/tpm2_pkcs11.sqlite3"]
    ],
    ["/usr/lib/libckteec.so.0", {}, ["rw /dev/tee0"]],
    ["/usr/lib/opensc-pkcs11.so", {}, []]
  ])("%s with %j: %j", (path, environment, files) => {
    expect(opened(path, environment)).toEqual(files)
    const devices = files.filter((file) => file.startsWith("rw /dev/")).map((file) => file.slice(3))
    expect(moduleDevices(path, environment)).toEqual(devices)
  })

  it("SoftHSM's settings are those of the environment, else the user's own, else the system's", () => {
    const home = tempDir()
    mkdirSync(join(home, ".config/softhsm2"), { recursive: true })
    mkdirSync(join(home, "tokens/uuid"), { recursive: true })
    const conf = join(home, ".config/softhsm2/softhsm2.conf")
    writeFileSync(conf, `# a comment\ndirectories.tokendir = ${home}/tokens\n`)
    const all = [`r ${conf}`, `rwx ${home}/tokens`, `rwx ${home}/tokens/uuid`, `rw ${home}/tokens/uuid/token.object`]
    expect(opened("/usr/lib/libsofthsm2.so", {}, home)).toEqual(all)
    expect(opened("/usr/lib/libsofthsm2.so", { SOFTHSM2_CONF: "/nowhere" }, home)).toEqual(["r /nowhere"])
    expect(opened("/usr/lib/libsofthsm2.so", {})[0]).toBe("r /etc/softhsm/softhsm2.conf")
  })
})

describe("the report of an inaccessible file", () => {
  const closed = {
    user: "dev",
    who: "caller",
    path: "/dev/tpmrm0",
    closed: "/dev/tpmrm0",
    needs: "rw",
    isToken: false
  } as const

  it("names the group, and a session that is older than the membership", () => {
    expect(explainClosed({ ...closed, group: "tss", isMember: false })).toEqual({
      error: "this user, 'dev', may not read and write '/dev/tpmrm0': it is not in the group 'tss'",
      hint: "sudo usermod -aG tss 'dev', then log in again"
    })
    expect(explainClosed({ ...closed, group: "tss", isMember: true }).hint).toBe("log in again")
  })

  it("of a device node without a group names udev", () => {
    expect(explainClosed({ ...closed, group: undefined, isMember: false }).hint).toContain("udev")
  })
})
