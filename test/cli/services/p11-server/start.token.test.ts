/** How tedge-p11-server starts: what it logs and in which order, where its values come from, what keeps it from it. */
import { execFileSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device/device.ts"
import { messages, serverPlace } from "./server-process.ts"

const version = execFileSync(executable("tedge-p11-server"), ["--version"], { encoding: "utf8" }).trim()
const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const

describe("tedge-p11-server, when it starts", () => {
  it("logs in the words and order of its documentation", async () => {
    const place = serverPlace()
    place.hsm.addToken()
    const server = place.start({ args: ["--pin", "123456"] })
    const log = await server.logged("PKCS #11 module loaded")
    expect(log).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z {2}INFO tedge_p11_server: Starting/)
    expect(messages(log)).toEqual([
      `INFO tedge_p11_server: Starting ${version}`,
      `INFO tedge_p11_server: Using cryptoki configuration cryptoki_config=CryptokiConfigDirect { module_path: "${place.hsm.modulePath}", pin: "[REDACTED]", uri: None }`,
      `INFO tedge_p11_server: Using socket path socket_path="${place.socketPath}"`,
      `INFO tedge_p11_server: Server listening listener=Some("${place.socketPath}")`,
      `INFO tedge_p11_server: PKCS #11 module loaded module_path="${place.hsm.modulePath}" token 'my-token': there`
    ])
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    expect(existsSync(place.socketPath)).toBe(false)
  })

  it("shows a URI, without the PIN in it", async () => {
    const place = serverPlace()
    const server = place.start({ args: ["--uri", "pkcs11:token=my-token?pin-value=98765"] })
    const log = await server.logged("Server listening")
    expect(log).not.toContain("refused PINs")
    expect(log).toMatch(/uri: Some\("pkcs11:token=my-token[^"]*"\) }/)
    expect(log).not.toContain("98765")
  })

  it("takes an option before the environment, that before tedge.toml, and an empty one as none", async () => {
    const place = serverPlace()
    place.configure('[device.cryptoki]\nuri = "pkcs11:token=file"\nsocket_path = "/nowhere/file.sock"\n')
    const shown = async (args: ReadonlyArray<string>, env: Record<string, string>) => {
      const server = place.start({ args, env })
      const log = await server.logged("Server listening")
      server.child.kill("SIGTERM")
      await server.ended
      return /uri: Some\("([^"]*)"\)/.exec(log)?.[1]
    }
    const variable = "TEDGE_DEVICE_CRYPTOKI_URI"
    expect(await shown(["--uri", "pkcs11:token=option"], { [variable]: "pkcs11:token=variable" })).toBe(
      "pkcs11:token=option"
    )
    expect(await shown([], { [variable]: "pkcs11:token=variable" })).toBe("pkcs11:token=variable")
    expect(await shown(["--uri", ""], { [variable]: "" })).toBe("pkcs11:token=file")
  })

  it.each([
    ["cannot be parsed", "[broken\n", 0o640, "Failed to parse ./config/tedge.toml: invalid TOML"],
    ["is a directory", undefined, 0o640, "Failed to read ./config/tedge.toml: "]
  ])("goes on with a warning when tedge.toml %s", async (_what, text, mode, warning) => {
    const place = serverPlace()
    const file = join(place.dir, "config", "tedge.toml")
    if (text === undefined) cpSync(place.hsm.dir, file, { recursive: true })
    else place.configure(text)
    chmodSync(file, text === undefined ? 0o755 : mode)
    const module = ["--module-path", place.hsm.modulePath, "--socket-path", place.socketPath]
    const server = place.start({ onlyArgs: ["--config-dir", "./config", ...module] })
    expect(await server.logged("Server listening")).toContain(`WARN tedge_p11_server: ${warning}`)
  })

  it.each([
    ["is missing", undefined],
    ["is empty", ""],
    ["has nothing about tokens", "[device]\n"]
  ])("does not mind that tedge.toml %s; without a module it ends with 1", async (_what, text) => {
    const place = serverPlace()
    if (text !== undefined) place.configure(text)
    const server = place.start({ onlyArgs: ["--config-dir", "./config", "--module-path", "xx.so"] })
    expect(await server.ended).toBe(1)
    expect(server.log()).toContain("Using cryptoki configuration")
    expect(server.log()).toContain("/run/tedge-p11-server/tedge-p11-server.sock")
    expect(server.log()).not.toContain("Server listening")
    expect(server.log()).not.toContain("WARN")
    expect(server.log().match(/ERROR/g)).toHaveLength(1)
    expect(server.log()).toContain("xx.so': there is no such file")
  })

  it("listens before its module is loaded, and takes its socket away when that cannot be", async () => {
    const place = serverPlace()
    const onlyArgs = ["--config-dir", "./config", "--module-path", process.execPath, "--socket-path", place.socketPath]
    const server = place.start({ onlyArgs })
    expect(await server.ended).toBe(1)
    expect(server.log()).toMatch(/Server listening[\s\S]*ERROR .*Failed to load PKCS#11 dynamic object/)
    expect(server.log().match(/ERROR/g)).toHaveLength(1)
    expect(existsSync(place.socketPath)).toBe(false)
  })

  it("listens without a token, reports that to clients, and warns that refused PINs would be forgotten", async () => {
    const place = serverPlace()
    const file = place.hsm.env.SOFTHSM2_CONF
    const server = place.start({ env: { TEDGE_RUN_PATH: file } })
    expect(await server.logged("no token")).toContain("Server listening")
    expect(server.log()).toContain(`refused PINs cannot be recorded in '${file}/tedge-pin-latch'`)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({
      message: expect.stringContaining(
        "PKCS #11 service failed: Failed to find a signing key: Didn't find a slot to use"
      )
    })
  })
})

describe("the socket of tedge-p11-server", () => {
  it("has the permissions of --socket-mode, or p11_server.socket_mode", async () => {
    const place = serverPlace()
    place.configure('[p11_server]\nsocket_mode = "600"\n')
    const first = place.start()
    await first.logged("Server listening")
    expect(statSync(place.socketPath).mode & 0o777).toBe(0o600)
    first.child.kill("SIGTERM")
    await first.ended
    await place.start({ env: { TEDGE_P11_SERVER_SOCKET_MODE: "0666" } }).logged("Server listening")
    expect(statSync(place.socketPath).mode & 0o777).toBe(0o666)
  })

  it("is not put where something else is", async () => {
    const place = serverPlace()
    const server = place.start({ onlyArgs: ["--module-path", place.hsm.modulePath, "--socket-path", place.dir] })
    expect(await server.ended).toBe(1)
    expect(server.log()).toContain("a directory with this name exists")
    expect(server.log().match(/ERROR/g)).toHaveLength(1)
  })

  it("is refused to a second instance", async () => {
    const place = serverPlace()
    await place.start().logged("Server listening")
    const second = place.start()
    expect(await second.ended).toBe(1)
    expect(second.log()).toContain(`Another instance is already listening on the socket at '${place.socketPath}'`)
    expect(await ask(place.socketPath, { _tag: "Ping" })).toEqual({ _tag: "Pong" })
  })
})

describe("settings of its own that cannot be used", () => {
  it.each([
    ['socket_mode = "999"', "p11_server.socket_mode"],
    ["max_connections = 0", "p11_server.max_connections"],
    ['request_timeout = "soon"', "p11_server.request_timeout"],
    ['log_level = "loud"', "p11_server.log_level"],
    ['socket_group = "no-such-group"', "there is no group 'no-such-group'"],
    ['[[p11_server.rules]]\noperations = ["sign"]', "rule 1 under p11_server.rules"],
    ['[[p11_server.rules]]\nuid = 1\n[[p11_server.rules]]\nuid = 2\noperations = ["fly"]', "rule 2 under"],
    ['[[p11_server.rules]]\nuser = "no-such-user"', "there is no such user or group"],
    ['[[p11_server.rules]]\nuid = 1\nuri = "token=x?pin-value=4711"', "uri is not a valid PKCS#11 URI"],
    ["[[p11_server.rules]]\nuid = 1\npid = 2", "it has an unknown key (pid)"],
    ['pin_file = "/nowhere/pin"', "the PIN cannot be read from '/nowhere/pin'"]
  ])("are told in one sentence: %s", async (toml, sentence) => {
    const place = serverPlace()
    place.configure(`[p11_server]\n${toml}\n`)
    const server = place.start()
    expect(await server.ended).toBe(1)
    expect(server.log()).toContain(sentence)
    expect(server.log()).not.toContain("4711")
    expect(server.log().match(/ERROR/g)).toHaveLength(1)
  })
})
