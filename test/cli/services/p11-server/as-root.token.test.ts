/** A SoftHSM store that only root may open: the service as its own user, and as root without capabilities, as in its unit with the drop-in. */
import { chmodSync, chownSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"
import { serverPlace } from "./server-process.ts"

/** CapabilityBoundingSet= of the unit. */
const withoutCapabilities = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]

const started = (env: Readonly<Record<string, string>>) => {
  const user = testUser()
  onTestFinished(user.remove)
  const place = serverPlace()
  place.hsm.addToken({ label: "my-token" }).importKey({ label: "my-key" })
  writeFileSync(join(place.dir, "config", "system.toml"), `user = "${user.name}"\ngroup = "${user.name}"\n`)
  return { place, server: place.start({ command: withoutCapabilities, args: ["--pin", "123456"], env }) }
}

describe.runIf(isRoot)("a token store that only root may open", () => {
  it("is reported by a service of another user, with the command that changes its owner", async () => {
    const user = testUser()
    onTestFinished(user.remove)
    const place = serverPlace()
    place.hsm.addToken({ label: "my-token" })
    for (const path of [place.dir, join(place.dir, "config"), join(place.dir, "run")])
      chownSync(path, user.uid, user.gid)
    chmodSync(place.hsm.dir, 0o755)
    const command = ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"]
    const server = place.start({ command })
    await server.logged("sudo chown -R")
    const tokens = join(place.hsm.dir, "tokens")
    expect(server.log()).toMatch(
      new RegExp(
        `WARN tedge_p11_server: this user, '${user.name}', may not .*'${tokens}/.*; sudo chown -R '${user.name}': '${tokens}/[^ ]*$`,
        "m"
      )
    )
    // A user with a process cannot be removed.
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
  })

  it("is used by a service as root whose module may run as root", async () => {
    const { place, server } = started({ TEDGE_P11_SERVER_TOKEN_USER: "root" })
    await server.logged("Server listening")
    const answer = await ask(place.socketPath, { _tag: "ListKeysRequest", uri: undefined, pin: undefined })
    expect(JSON.stringify(answer)).toMatch(/ListKeysResponse.*my-key/)
  })

  it("is not used otherwise: the module is never root by itself", async () => {
    const { server } = started({})
    expect(await server.ended).toBe(1)
    expect(server.log()).toMatch(/root cannot run it as the services' user/)
  })
})
