/** What the signing service shows on its status socket, and how `tedge status` prints it. Needs `npm run build`. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { parseStatusLine } from "../../../../src/messages/status/status-line.ts"
import { askJsonLine } from "../../../../src/platform/sockets/json-lines-socket.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device.ts"
import { run } from "../../../support/run-command.ts"
import { serverPlace } from "./server-process.ts"

it("shows tokens, signatures and clients, and no PIN", async () => {
  const place = serverPlace()
  const token = place.hsm.addToken({ label: "my-token" })
  token.importKey({ label: "my-key" })
  place.configure("")
  const server = place.start({ args: ["--pin", token.pin] })
  await server.logged("Server listening")
  const uri = `pkcs11:token=my-token;object=my-key?pin-value=${token.pin}`
  const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri, pin: undefined } as const
  expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  const wrong = { ...signRequest, uri: "pkcs11:token=my-token;object=no-such-key" }
  expect(await ask(place.socketPath, wrong)).toMatchObject({ _tag: "Error" })

  const path = serviceSocketPath(join(place.dir, "run"), "tedge-p11-server")
  const line = await Effect.runPromise(askJsonLine(path, '{"version":1,"ask":"snapshot"}'))
  const said = parseStatusLine(line)
  if (said.kind !== "snapshot") throw new Error(line)
  expect(said.snapshot).toMatchObject({
    service: { name: "tedge-p11-server", pid: server.child.pid },
    key: {
      via: "module",
      path: place.hsm.modulePath,
      signatures: { count: 1, failed: 1 },
      tokens: [{ token: "my-token", state: "there", pin: "ok", signatures: { count: 1, failed: 1 } }]
    },
    clients: { served: 1, refused: 1 },
    signature: { about: "my-token", outcome: "refused" },
    actors: expect.arrayContaining([
      expect.objectContaining({ name: "p11-server/listener", state: "ready" }),
      expect.objectContaining({ name: "cryptoki/my-token", supervisor: "cryptoki/tokens" })
    ])
  })
  expect(line).not.toContain(token.pin)

  const config = join(place.dir, "device")
  mkdirSync(config)
  writeFileSync(
    join(config, "tedge.toml"),
    `run.path = "${join(place.dir, "run")}"
c8y.url = "localhost"
[device.cryptoki]
mode = "socket"
socket_path = "${place.socketPath}"
[config]
version = "2"
`
  )
  const { code, stdout } = await run(executable("tedge"), ["--config-dir", config, "status"])
  // There is no mapper.
  expect(code).toBe(3)
  expect(stdout).toMatch(/^tedge-p11-server up for /m)
  expect(stdout).toMatch(/ {2}token +'my-token', there, PIN accepted\n/)
  expect(stdout).toMatch(/ {2}clients +\d+ connected, 1 served, 1 refused\n/)
  expect(stdout).not.toContain(token.pin)
})
