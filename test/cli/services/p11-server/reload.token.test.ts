/** SIGHUP: what is reloaded, and what a wrong file does. PINs from files, and where they must not be seen. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { processesOf } from "../../../support/device/device.ts"
import { pkcs11Tool } from "../../../support/token/pkcs11-tool.ts"
import { type ServerProcess, serverPlace } from "./server-process.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const

const hangUp = async (server: ServerProcess, until = "settings reloaded"): Promise<void> => {
  const from = server.log().length
  server.child.kill("SIGHUP")
  await server.logged(until, from)
}

describe("tedge-p11-server on reload", () => {
  it("takes the new PIN, scope and log level, and requests go on", async () => {
    const place = serverPlace()
    const [first, second] = ["first", "second"].map((label, n) => place.hsm.addToken({ label, pin: `${n}23456` }))
    first?.importKey()
    second?.importKey()
    place.configure('[device.cryptoki]\npin = "023456"\nuri = "pkcs11:token=first"\n')
    const server = place.start()
    await server.logged("Server listening")
    const uris = async () => {
      const answer = await ask(place.socketPath, { _tag: "GetTokensUrisRequest" })
      return answer._tag === "GetTokensUrisResponse" ? answer.uris.map((uri) => /token=(\w+)/.exec(uri)?.[1]) : answer
    }
    expect(await uris()).toEqual(["first"])
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    place.configure(
      '[device.cryptoki]\npin = "123456"\nuri = "pkcs11:token=second"\n[p11_server]\nlog_level = "debug"\n'
    )
    await hangUp(server)
    expect(await uris()).toEqual(["second"])
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    await server.logged("DEBUG tedge_p11_server: Incoming request successful uid=")
  })

  it.each([
    ["a file that is no TOML", "[broken\n", "invalid TOML", false],
    ["a file that is no TOML, without a module in options", "[broken\n", "invalid TOML", true],
    ["a link to a file that is not there", undefined, "Dangling link", false]
  ])("refuses everything but Ping, root's too, after a start with %s, until it can be read", async (...row) => {
    const [_what, text, reason, onlyArgs] = row
    const place = serverPlace()
    place.hsm.addToken().importKey()
    const file = join(place.dir, "config", "tedge.toml")
    mkdirSync(join(place.dir, "config"), { recursive: true })
    if (text === undefined) symlinkSync(join(place.dir, "not-mounted"), file)
    else place.configure(text)
    const server = place.start(
      onlyArgs ? { onlyArgs: ["--config-dir", "./config", "--socket-path", place.socketPath] } : {}
    )
    await server.logged("Server listening")
    const refused = {
      _tag: "Error",
      message: expect.stringContaining("PKCS #11 service failed: the signing service refuses")
    }
    expect(await ask(place.socketPath, { _tag: "Ping" })).toMatchObject({ _tag: "Pong" })
    for (const request of [signRequest, { _tag: "GetTokensUrisRequest" }, { _tag: "ListTokensRequest" }] as const) {
      const answer = await ask(place.socketPath, request)
      expect(answer).toMatchObject(refused)
      expect(JSON.stringify(answer)).toContain(reason)
    }
    await hangUp(server, "ERROR tedge_p11_server")
    expect(await ask(place.socketPath, signRequest)).toMatchObject(refused)
    if (text === undefined) rmSync(file)
    place.configure(`[device.cryptoki]\npin = "123456"\nmodule_path = "${place.hsm.modulePath}"\n`)
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
  })

  it("logs in anew when the PIN of the token was changed and its own with it", async () => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    place.configure('[device.cryptoki]\npin = "123456"\n')
    const server = place.start()
    await server.logged("Server listening")
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    place.configure('[device.cryptoki]\npin = "654321"\n')
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({
      message: expect.stringContaining("The specified PIN is incorrect")
    })
    place.configure('[device.cryptoki]\npin = "123456"\n')
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it("takes a PIN that another program changed on the token, which its own module has not seen", async () => {
    const place = serverPlace()
    const token = place.hsm.addToken()
    token.importKey()
    place.configure('[device.cryptoki]\npin = "123456"\n')
    const server = place.start()
    await server.logged("Server listening")
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    const { modulePath, env } = place.hsm
    const where = ["--token-label", token.label]
    pkcs11Tool({ modulePath, env, where }, "--login", "--pin", "123456", "--change-pin", "--new-pin", "654321")
    place.configure('[device.cryptoki]\npin = "654321"\n')
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it.each([
    ["[broken", "is not TOML"],
    ["[p11_server]\nmax_connections = -1\n", "p11_server.max_connections"],
    ["[[p11_server.rules]]\nuid = 0\noperations = 5\n", "p11_server.rules"]
  ])("keeps what it has when the file is wrong: %j", async (wrong, sentence) => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    place.configure('[device.cryptoki]\npin = "123456"\nuri = "pkcs11:token=other"\n')
    const server = place.start()
    await server.logged("Server listening")
    place.configure(wrong)
    await hangUp(server, sentence)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({
      message: expect.stringContaining("Didn't find a slot to use")
    })
  })

  it("keeps scope, rules and PIN when the file is gone, and takes the next one", async () => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    const configured = '[device.cryptoki]\npin = "123456"\nuri = "pkcs11:token=other"\n'
    place.configure(configured)
    const server = place.start()
    await server.logged("Server listening")
    const file = join(place.dir, "config", "tedge.toml")
    rmSync(file)
    await hangUp(server, `${file} is gone; nothing was changed`)
    await hangUp(server, `${file} is gone; nothing was changed`)
    expect(server.log()).not.toContain("settings reloaded")
    expect(await ask(place.socketPath, signRequest)).toMatchObject({
      message: expect.stringContaining("Didn't find a slot to use")
    })
    place.configure('[device.cryptoki]\npin = "123456"\n')
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it("reads its settings again without a file when it never had one", async () => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    rmSync(join(place.dir, "config", "tedge.toml"), { force: true })
    const server = place.start()
    await server.logged("Server listening")
    await hangUp(server)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })
})

describe("the PIN of tedge-p11-server", () => {
  const pin = "pin-to-look-for"

  const placeWithPin = () => {
    const place = serverPlace()
    place.hsm.addToken({ pin }).importKey()
    const file = join(place.dir, "pin")
    writeFileSync(file, `${pin}\n`, { mode: 0o640 })
    chmodSync(file, 0o640)
    return { place, file }
  }

  it.each(["--pin-file", "TEDGE_P11_SERVER_PIN_FILE", "p11_server.pin_file", "a systemd credential"])(
    "comes from a file: %s",
    async (way) => {
      const { place, file } = placeWithPin()
      const credentials = join(place.dir, "credentials")
      mkdirSync(credentials)
      if (way.startsWith("p11_server"))
        writeFileSync(join(place.dir, "config", "tedge-p11-server.toml"), `pin_file = "${file}"\n`)
      if (way.startsWith("a systemd")) writeFileSync(join(credentials, "tedge-pin"), pin, { mode: 0o400 })
      const server = place.start({
        args: way === "--pin-file" ? [way, file] : [],
        env: {
          CREDENTIALS_DIRECTORY: credentials,
          ...(way.startsWith("TEDGE_") ? { [way]: file } : {})
        }
      })
      await server.logged("Server listening")
      expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
      expect(server.log()).not.toContain("WARN")
    }
  )

  it.each([
    ["and no PIN is configured: the guide's default is not tried", "", {}],
    [
      "and the unit asks for it by name: nor is another one",
      'device.cryptoki.pin = "123456"\n',
      { TEDGE_P11_SERVER_PIN_FILE: "tedge-pin" }
    ]
  ])("is refused when a credential is missing, %s", async (_how, toml, variables) => {
    const place = serverPlace()
    place.hsm.addToken({ pin: "123456" }).importKey()
    const credentials = join(place.dir, "credentials")
    mkdirSync(credentials)
    place.configure(toml)
    const file = join(credentials, "tedge-pin")
    const named = Object.fromEntries(Object.keys(variables).map((name) => [name, file]))
    const server = place.start({ env: { CREDENTIALS_DIRECTORY: credentials, ...named } })
    expect(await server.ended).toBe(1)
    expect(server.log()).toContain(`the PIN cannot be read from '${file}': the unit has no such credential`)
    expect(server.log()).toContain("LoadCredential")
    expect(server.log()).toContain("systemctl restart tedge-p11-server")
  })

  it("in a file that everybody can read is warned about", async () => {
    const { place, file } = placeWithPin()
    chmodSync(file, 0o644)
    expect(await place.start({ args: ["--pin-file", file] }).logged("Server listening")).toMatch(
      /WARN tedge_p11_server: .*\/pin.*644/
    )
  })

  it.each([
    ["a PIN of 300 characters", "7".repeat(300)],
    ["nothing but a line end", "\n"],
    ["two lines", "12\n34\n"],
    ["no text", Buffer.from([0xff, 0xfe])]
  ])("is not taken from a file with %s", async (_what, content) => {
    const { place, file } = placeWithPin()
    writeFileSync(file, content)
    const server = place.start({ args: ["--pin-file", file] })
    expect(await server.ended).toBe(1)
    expect(server.log()).toContain(`the PIN cannot be read from '${file}'`)
    expect(server.log()).not.toContain("7777")
  })

  it("shows nowhere at trace level: log, answers, arguments, environments, files", async () => {
    const { place } = placeWithPin()
    const server = place.start({
      args: ["--pin", pin, "--uri", `pkcs11:token=my-token?pin-value=${pin}`, "--log-level", "trace"]
    })
    await server.logged("Server listening")
    const answers = [
      await ask(place.socketPath, { ...signRequest, uri: `pkcs11:object=my-key?pin-value=${pin}` }),
      await ask(place.socketPath, { ...signRequest, uri: `pkcs11:object=none?pin-value=${pin}` }),
      await ask(place.socketPath, { ...signRequest, uri: `nonsense?pin-value=${pin}` }),
      await ask(place.socketPath, { ...signRequest, uri: `pkcs11:object=my-key?pin-value=${pin}x` }),
      await ask(place.socketPath, { _tag: "ListKeysRequest", uri: `pkcs11:?pin-value=${pin}`, pin: undefined })
    ]
    expect(answers.map(({ _tag }) => _tag)).toEqual(["SignResponse", "Error", "Error", "Error", "ListKeysResponse"])
    expect(JSON.stringify(answers)).not.toContain(pin)
    const pids = [server.child.pid ?? 0, ...processesOf(place.hsm.dir).map((one) => one.pid)]
    expect(pids.length).toBeGreaterThan(1)
    for (const pid of pids)
      for (const file of ["cmdline", "environ"]) expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain(pin)
    server.child.kill("SIGTERM")
    await server.ended
    expect(server.log()).not.toContain(pin)
    const files = readdirSync(place.dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    const holding = files.filter((one) => readFileSync(join(one.parentPath, one.name)).includes(pin))
    expect(holding.map(({ name }) => name)).toEqual(["pin"])
  })
})
