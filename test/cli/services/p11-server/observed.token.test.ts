/** What the person in charge sees of the service: the metrics file, the audit lines, the status for systemd. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { serverPlace } from "./server-process.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const
const createRequest = {
  _tag: "CreateKeyRequest",
  uri: "pkcs11:token=my-token",
  params: { key: { type: "ec", curve: 256 }, label: "made", id: Uint8Array.of(7) },
  pin: undefined
} as const

describe("tedge-p11-server at work", () => {
  it("writes metrics to the configured file, atomically and world-readable", async () => {
    const place = serverPlace()
    place.hsm.addToken().importKey()
    const file = join(place.dir, "p11.prom")
    const server = place.start({ args: ["--metrics-file", file, "--pin", "123456"] })
    await server.logged("Server listening")
    await ask(place.socketPath, signRequest)
    server.child.kill("SIGTERM")
    await server.ended
    expect(readFileSync(file, "utf8")).toContain(
      'tedge_p11_server_request_duration_seconds_count{operation="sign",token="my-token"} 1\n'
    )
    expect(statSync(file).mode & 0o777).toBe(0o644)
    expect(readdirSync(place.dir).filter((name) => name.includes("prom"))).toEqual(["p11.prom"])
  })

  it("writes no metrics unasked", async () => {
    const place = serverPlace()
    const server = place.start()
    await server.logged("Server listening")
    server.child.kill("SIGTERM")
    await server.ended
    expect(readdirSync(place.dir).sort()).toEqual(
      ["config", "run", "s.sock.lock"].filter((name) => existsSync(join(place.dir, name)))
    )
  })

  it("logs who changed which key, and who was refused, without the signed data", async () => {
    const place = serverPlace()
    place.hsm.addToken()
    const server = place.start({ args: ["--pin", "123456"] })
    await server.logged("Server listening")
    expect(await ask(place.socketPath, createRequest)).toMatchObject({ _tag: "CreateKeyResponse" })
    await ask(place.socketPath, { ...signRequest, uri: "pkcs11:object=made", toSign: Buffer.from("SECRET TEXT") })
    expect(await ask(place.socketPath, createRequest)).toMatchObject({ _tag: "Error" })
    const log = await server.logged("result=refused")
    const who = `uid=${process.getuid?.()} gid=${process.getgid?.()} pid=${process.pid}`
    expect(log).toMatch(
      new RegExp(
        `INFO tedge_p11_server: Incoming request successful ${who} operation=create-key key="pkcs11:[^"]*object=made[^"]*" result=done`
      )
    )
    expect(log).toMatch(
      new RegExp(
        `WARN tedge_p11_server: Incoming request failed: ${who} operation=create-key key="pkcs11:token=my-token" result=refused reason="PKCS #11 service failed: .+"`
      )
    )
    expect(log).not.toMatch(/operation=sign|SECRET|123456/)
  })
})
