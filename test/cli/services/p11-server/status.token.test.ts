/** What the signing service shows on its status socket, and how `tedge status` prints it. Needs `npm run build`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { run } from "../../../../scripts/lib/run.mjs"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import type { Snapshot } from "../../../../src/messages/status/snapshot.ts"
import { parseStatusLine } from "../../../../src/messages/status/status-line.ts"
import { askJsonLine } from "../../../../src/platform/sockets/json-lines-socket.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { executable } from "../../../support/device/device.ts"
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
  const chooseRequest = { _tag: "ChooseSchemeRequest", offered: [0x0403], uri, pin: undefined } as const
  expect(await ask(place.socketPath, chooseRequest)).toMatchObject({ _tag: "ChooseSchemeResponse" })
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
    clients: { served: 2, refused: 1 },
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
  expect(stdout).toMatch(/ {2}clients +\d+ connected, 2 served, 1 refused\n/)
  expect(stdout).not.toContain(token.pin)
})

it("shows a signature hop by hop, from its client to its client", async () => {
  const { server, place, path, signRequest } = await signing()
  expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  const snapshot = await snapshotOf(path)
  const { signature } = snapshot
  expect(signature).toMatchObject({ about: "my-token", outcome: "ok" })
  const hops = signature?.hops ?? []
  expect(hops.map(({ name, actor }) => [name, actor])).toEqual([
    ["accept", "p11-server/listener"],
    ["decode", "p11-server/listener"],
    ["queue", "p11-server/cryptoki"],
    ["find key", "cryptoki/my-token"],
    ["token host", "cryptoki/my-token"],
    ["sign", "tedge-token-host"],
    ["answer", "p11-server/listener"]
  ])
  const [accept, decode, queue, findKey, host, sign, answer] = hops.map((hop) => ({
    ...hop,
    to: hop.at_ms + hop.took_ms
  }))
  const line = [accept, decode, queue, findKey, host, answer]
  for (const [index, hop] of line.slice(1).entries()) expect(hop?.at_ms).toBeCloseTo(line[index]?.to ?? -1, 1)
  expect(sign?.at_ms).toBeGreaterThanOrEqual(host?.at_ms ?? 0)
  expect(sign?.to).toBeLessThanOrEqual((host?.to ?? 0) + 0.002)
  expect(sign?.took_ms).toBeGreaterThan(0)
  expect(answer?.to).toBeCloseTo(signature?.took_ms ?? 0, 1)
  // Its token has no such key: there is nothing of the token host.
  await ask(place.socketPath, { ...signRequest, uri: "pkcs11:token=my-token;object=no-such-key" })
  const refused = (await snapshotOf(path)).signature
  expect(refused?.hops.map(({ name }) => name)).toEqual(["accept", "decode", "refused", "answer"])
  server.child.kill("SIGTERM")
  await server.ended
})

it("answers its metrics on the socket, as they are in the metrics file", async () => {
  const { server, place, path, signRequest } = await signing(["--metrics-file", "p11.prom"])
  await ask(place.socketPath, signRequest)
  const { text } = JSON.parse(await Effect.runPromise(askJsonLine(path, '{"version":1,"ask":"metrics"}')))
  expect(text).toContain("# TYPE tedge_p11_server_signature_duration_seconds histogram\n")
  expect(text).toContain('tedge_p11_server_signature_duration_seconds_count{token="my-token"} 1\n')
  expect(text).toContain("tedge_p11_server_connections 0\n")
  server.child.kill("SIGTERM")
  await server.ended
  expect(readFileSync(join(place.dir, "p11.prom"), "utf8")).toBe(text)
})

const signing = async (args: ReadonlyArray<string> = []) => {
  const place = serverPlace()
  const token = place.hsm.addToken({ label: "my-token" })
  token.importKey({ label: "my-key" })
  place.configure("")
  const server = place.start({ args: ["--pin", token.pin, ...args] })
  await server.logged("Server listening")
  const uri = "pkcs11:token=my-token;object=my-key"
  const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri, pin: undefined } as const
  return { server, place, signRequest, path: serviceSocketPath(join(place.dir, "run"), "tedge-p11-server") }
}

const snapshotOf = async (path: string): Promise<Snapshot> => {
  const line = await Effect.runPromise(askJsonLine(path, '{"version":1,"ask":"snapshot"}'))
  const said = parseStatusLine(line)
  if (said.kind !== "snapshot") throw new Error(line)
  return said.snapshot
}
