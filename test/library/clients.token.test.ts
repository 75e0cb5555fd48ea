/**
 * Clients that people use, and the examples, as programs of their own in a project with the installed package: they reach
 * servers that demand a client certificate, with a key in SoftHSM2, and end by themselves.
 */
import { createPublicKey, generateKeyPairSync, sign as nodeSign } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer } from "node:http"
import { createServer, type Server } from "node:https"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import type { TLSSocket } from "node:tls"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { freePort } from "../../scripts/lib/free-port.mjs"
import { startBroker } from "../support/broker/broker.ts"
import { type TestPki, testPki } from "../support/tls/pki.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmToken } from "../support/token/softhsm.ts"
import { hasPackage, newProject, type Project, runIn } from "./installed.ts"

const clients = ["mqtt", "undici", "ws", "axios", "got", "node-fetch"]
let project: Project
let hsm: SoftHsmDirectory & SoftHsmToken
let pki: TestPki
let server: Server
let env: Record<string, string>

beforeAll(async () => {
  project = newProject(["effect", "rxjs", "pkcs11js", ...clients.filter(hasPackage)])
  hsm = softhsmToken()
  pki = testPki()
  const { publicKeyPem } = hsm.importKey()
  const cert = join(hsm.dir, "device.pem")
  writeFileSync(cert, pki.issueFor(publicKeyPem, "token-device"))
  const identity = { cert: pki.serverCertPem, key: pki.serverKeyPem, ca: pki.caPem }
  server = createServer({ ...identity, requestCert: true, rejectUnauthorized: true }, async (request, response) => {
    const { length } = await buffer(request)
    response.end(`${request.method} ${length} from ${(request.socket as TLSSocket).getPeerCertificate().subject.CN}`)
  })
  // As `ws` does it; a frame of 200,000 bytes comes back as it is.
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  env = {
    ...hsm.env,
    MODULE: hsm.modulePath,
    PIN: hsm.pin,
    CERT: cert,
    CA: pki.caFile,
    HOST: "localhost",
    PORT: String(port),
    URL: `https://localhost:${port}/`,
    XDG_STATE_HOME: join(hsm.dir, "state")
  }
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
  project.remove()
  hsm.cleanup()
  pki.remove()
})

const client = (name: string, more: Record<string, string> = {}) =>
  runIn(project, `test/library/clients/${name}`, { ...env, ...more })
const example = (name: string, more: Record<string, string> = {}) =>
  runIn(project, `examples/${name}`, { ...env, ...more })

describe("a client", () => {
  it.skipIf(!hasPackage("axios"))("axios gets and posts, also with an abort", async () => {
    const { out, err } = await client("axios.mjs")
    expect([out, err]).toEqual([expect.stringMatching(/^GET 0 from token-device POST 300000 from token-device\nE/), ""])
  })

  it.skipIf(!hasPackage("got"))("got gets, with the times of TLS, and hears of an untrusted name", async () => {
    expect(await client("got.mjs")).toMatchObject({
      out: "GET 0 from token-device true\nERR_TLS_CERT_ALTNAME_INVALID\n",
      err: ""
    })
  })

  it.skipIf(!hasPackage("node-fetch"))("node-fetch gets", async () => {
    expect(await client("node-fetch.mjs")).toMatchObject({ out: "GET 0 from token-device\n", err: "" })
  })

  it.skipIf(!hasPackage("undici"))("undici gets many at once, posts, and hears of an untrusted name", async () => {
    const out = "1\nPOST 500000 from token-device\nERR_TLS_CERT_ALTNAME_INVALID\n"
    expect(await client("undici.mjs")).toMatchObject({ out, err: "" })
  })

  it.skipIf(!hasPackage("ws"))("ws opens a WebSocket, from CommonJS", async () => {
    const { echoing } = await import("./websocket-echo.mjs")
    const close = echoing(server)
    onTestFinished(close)
    expect(await client("ws.cjs")).toMatchObject({ out: "200000\n", err: "" })
  })

  it("mqtt.js goes over a WebSocket", async () => {
    const port = await freePort()
    const tls = [`cafile ${pki.caFile}`, `certfile ${pki.serverCertFile}`, `keyfile ${pki.serverKeyFile}`]
    const lines = [`listener ${port}`, "protocol websockets", ...tls, "require_certificate true"]
    await startBroker({ lines })
    expect(await client("mqtt-over-websocket.mjs", { URL: `https://localhost:${port}/mqtt` })).toMatchObject({
      out: "over/websocket hello\n",
      err: ""
    })
  })

  it("that closes its token and its socket ends by itself", async () => {
    expect(await client("ends-by-itself.cjs")).toMatchObject({ out: "TLSv1.3\n", err: "" })
  })
})

describe("an example", () => {
  const broker = () =>
    startBroker({
      tls: { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile },
      requireCertificate: true
    })

  it("publishes and subscribes with mqtt.js", async () => {
    const PORT = String((await broker()).port)
    expect(await example("mqtt.mjs", { PORT })).toMatchObject({ out: "greeting hello from a token\n", err: "" })
  })

  it("downloads over https", async () => {
    expect(await example("https-download.mjs")).toMatchObject({ out: "downloaded 200\n", err: "" })
    expect(readFileSync(join(project.dir, "firmware.bin"), "utf8")).toBe("GET 0 from token-device")
  })

  it.skipIf(!hasPackage("undici"))("fetches", async () => {
    expect(await example("fetch.mjs")).toMatchObject({ out: "200 GET 0 from token-device\n", err: "" })
  })

  it("reports to AWS IoT's kind of broker", async () => {
    const PORT = String((await broker()).port)
    expect(await example("aws-iot.mjs", { PORT })).toMatchObject({ out: "reported as my-thing\n", err: "" })
  })

  it("reports to Azure IoT Hub's kind of broker", async () => {
    const PORT = String((await broker()).port)
    expect(await example("azure-iot.mjs", { PORT })).toMatchObject({ out: "sent as my-device\n", err: "" })
  })

  it("signs with a service of its own", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
    const CERT = join(hsm.dir, "remote.pem")
    const PUBLIC_KEY = join(hsm.dir, "remote-key.pem")
    writeFileSync(CERT, pki.issueFor(pem, "remote-device"))
    writeFileSync(PUBLIC_KEY, pem)
    const signer = createHttpServer(async (request, response) => {
      expect(request.url).toBe("/ecdsa_secp256r1_sha256")
      response.end(nodeSign("sha256", await buffer(request), privateKey))
    })
    await new Promise<void>((resolve) => signer.listen(0, resolve))
    onTestFinished(() => void signer.close())
    const SIGNER = `http://localhost:${(signer.address() as AddressInfo).port}`
    expect(createPublicKey(pem).asymmetricKeyType).toBe("ec")
    expect(await example("remote-signer.mjs", { CERT, PUBLIC_KEY, SIGNER })).toMatchObject({
      out: "TLSv1.3 localhost\n",
      err: ""
    })
  })

  it("counts with the actor runtime alone", async () => {
    expect((await example("actors.mjs")).out).toBe("[ 2, 40 ]\n")
  })

  it("is under 20 lines", () => {
    for (const name of project.contents.filter((path) => /^examples\/.*\.mjs$/.test(path)))
      expect(readFileSync(join(import.meta.dirname, "../..", name), "utf8").split("\n").length, name).toBeLessThan(20)
  })
})
