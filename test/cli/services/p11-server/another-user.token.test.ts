/** A client of another user, as in a container: what the real service lets it do, by its uid and its groups. */
import { spawn } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device/device.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"
import { serverPlace } from "./server-process.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const

/** A hundred connections that say nothing; each that is closed is made again. Tells when all have been made once. */
const flooding = `
const { connect } = require("node:net")
let made = 0
const open = () => {
  const socket = connect(process.argv[1], () => ++made === 100 && console.log("made"))
  socket.on("error", () => {}).on("close", () => setTimeout(open, 20)).resume()
}
for (let n = 0; n < 100; n++) open()
`

const setUp = async (rules: string, command: ReadonlyArray<string> = []) => {
  const user = testUser()
  onTestFinished(user.remove)
  const place = serverPlace()
  place.hsm.addToken({ label: "my-token" }).importKey({ label: "my-key" })
  place.configure(
    `p11_server.socket_mode = "666"\n${rules.replaceAll("UID", `${user.uid}`).replaceAll("GID", `${user.extraGroup.gid}`)}`
  )
  const server = place.start({ command })
  await server.logged("Server listening")
  chmodSync(place.dir, 0o755)
  const config = join(place.dir, "client")
  mkdirSync(config, { mode: 0o777 })
  writeFileSync(
    join(config, "tedge.toml"),
    `run.path = "${config}"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${place.socketPath}"\n[config]\nversion = "2"\n`
  )
  chmodSync(config, 0o777)
  chmodSync(join(config, "tedge.toml"), 0o666)
  const tedge = (...words: ReadonlyArray<string>) => user.run(executable("tedge"), ["--config-dir", config, ...words])
  return { user, server, tedge }
}

describe.runIf(isRoot)("a client of another user", () => {
  it("lists and makes no key; the refusal has the rule ready to paste, and the audit its line", async () => {
    const { user, server, tedge } = await setUp("")
    expect(tedge("hsm", "list-keys").output).toContain("my-key")
    const refused = tedge("hsm", "create-key", "--label", "my-key")
    expect(refused.status).toBe(1)
    expect(refused.output).toContain(
      `\n[[p11_server.rules]]\nuid = ${user.uid}\noperations = ["list", "sign", "public-key", "create-key"]\n`
    )
    expect(await server.logged("operation=create-key")).toContain(`uid=${user.uid}`)
  })

  it("in another container than the service, whose process ids it does not share, keeps its user", async () => {
    const { server, tedge, user } = await setUp("", ["unshare", "--pid", "--fork", "--kill-child"])
    expect(tedge("hsm", "create-key", "--label", "my-key").output).toContain(`uid = ${user.uid}\n`)
    expect(await server.logged("operation=create-key")).toContain(`uid=${user.uid} `)
  })

  it("makes keys by a rule, but none with a label that is taken", async () => {
    const { tedge } = await setUp(
      '[[p11_server.rules]]\nuid = UID\noperations = ["list", "sign", "public-key", "create-key"]\n'
    )
    const taken = tedge("hsm", "create-key", "--label", "my-key")
    expect([taken.status, taken.output]).toEqual([
      1,
      expect.stringContaining("token 'my-token' already has a key labelled 'my-key'")
    ])
    const made = tedge("hsm", "create-key", "--label", "new-key")
    expect([made.status, made.output]).toEqual([0, expect.stringContaining("New keypair was successfully created")])
  })

  it("refuses no client because of silent connections, with fewer descriptors than allowed connections", async () => {
    const user = testUser()
    onTestFinished(user.remove)
    const place = serverPlace()
    place.hsm.addToken({ label: "my-token" }).importKey({ label: "my-key" })
    place.configure('p11_server.socket_mode = "666"\np11_server.request_timeout = "1h"\n')
    const server = place.start({ command: ["sh", "-c", 'ulimit -n 48; exec "$@"', "sh"], args: ["--pin", "123456"] })
    await server.logged("Server listening")
    chmodSync(place.dir, 0o755)
    const flood = spawn(process.execPath, ["-e", flooding, place.socketPath], {
      uid: user.uid,
      gid: user.gid,
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"]
    })
    onTestFinished(() => void flood.kill("SIGKILL"))
    await new Promise((resolve) => flood.stdout.once("data", resolve))
    for (let n = 0; n < 20; n++)
      expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it("is restricted by a rule for a group that is not its primary one", async () => {
    const { tedge } = await setUp('[[p11_server.rules]]\ngid = GID\noperations = ["sign"]\n')
    const refused = tedge("hsm", "list-keys", "pkcs11:token=my-token")
    expect([refused.status, refused.output]).toEqual([1, expect.stringContaining("may not do this (list)")])
  })
})
