/** A store that the service's process may not use: its clients learn which, and what to do where the service runs. */
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { mustRun, run } from "../../../../scripts/lib/run.mjs"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device/device.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"
import { serverPlace } from "./server-process.ts"

const setUp = (commandFor: (tokens: string) => ReadonlyArray<string>) => {
  const place = serverPlace()
  const tokens = join(place.hsm.dir, "tokens")
  for (const path of [place.dir, place.hsm.dir]) chmodSync(path, 0o755)
  mkdirSync(join(place.dir, "sockets"))
  const socketPath = join(place.dir, "sockets", "s.sock")
  const config = join(place.dir, "config")
  place.configure(
    `run.path = "${join(place.dir, "run")}"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath}"\npin = "123456"\n[config]\nversion = "2"\n`
  )
  chmodSync(config, 0o755)
  chmodSync(join(config, "tedge.toml"), 0o644)
  const start = async () => {
    const options = ["--config-dir", config, "--module-path", place.hsm.modulePath, "--socket-path", socketPath]
    const server = place.start({ command: commandFor(tokens), onlyArgs: [...options, "--pin", "123456"] })
    // It ends before its user is removed.
    onTestFinished(async () => {
      server.child.kill("SIGTERM")
      await server.ended
    })
    await server.logged("Server listening")
    return server
  }
  const tedge = (...words: ReadonlyArray<string>) => run(executable("tedge"), ["--config-dir", config, ...words])
  return { place, tokens, socketPath, start, tedge }
}

const as = ({ uid, gid }: { readonly uid: number; readonly gid: number }) => [
  "setpriv",
  `--reuid=${uid}`,
  `--regid=${gid}`,
  "--clear-groups"
]

const readOnly = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"'

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const

const init = ["hsm", "init", "--label", "my-token", "--so-pin", "87654321"] as const

describe.runIf(isRoot)("a store of SoftHSM2 that is closed to the signing service", () => {
  it("by its owner: the refusal names directory and user, the hint gives it to that user", async () => {
    const user = testUser()
    onTestFinished(user.remove)
    const { place, tokens, start, tedge } = setUp(() => as(user))
    for (const folder of ["run", "sockets"]) chownSync(join(place.dir, folder), user.uid, user.gid)
    await start()
    const { code, stderr } = await tedge(...init)
    expect(code).toBe(1)
    expect(stderr).toMatch(/C_InitToken returned CKR_DEVICE_ERROR; /)
    expect(stderr).toContain(`; '${tokens}' is not accessible to the user '${user.name}' (EACCES)\n`)
    expect(stderr).toContain(`hint: where the service runs: sudo chown -R '${user.name}': '${tokens}'; `)
  })

  it("by its sandbox, in which the file system is read-only: the hint names the drop-in", async () => {
    const { tokens, start, tedge } = setUp((path) => ["unshare", "--mount", "sh", "-euc", readOnly, "sh", path])
    await start()
    const { stderr } = await tedge(...init)
    expect(stderr).toContain(`; '${tokens}' is not accessible to the user 'root' (EROFS)\n`)
    expect(stderr).toMatch(/^hint: its sandbox has no access: copy the drop-in .*softhsm2\.conf/m)
  })

  it("of another user, for root without capabilities: the missing token is explained", async () => {
    const user = testUser()
    onTestFinished(user.remove)
    const { place, tokens, start, socketPath } = setUp(() => ["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    place.hsm.addToken({ label: "my-token" })
    writeFileSync(join(place.dir, "config", "system.toml"), 'user = "root"\ngroup = "root"\n')
    const [token = ""] = readdirSync(tokens)
    await mustRun("chown", ["-R", `${user.uid}:${user.gid}`, join(tokens, token)])
    chmodSync(join(tokens, token), 0o700)
    const server = await start()
    const closed = `'${join(tokens, token)}' is not accessible to the user 'root' (EACCES)`
    expect(await server.logged("module loaded")).toContain(closed)
    expect(await ask(socketPath, signRequest)).toMatchObject({
      _tag: "Error",
      message: expect.stringContaining(`no token is there; ${closed}`)
    })
  })
})
