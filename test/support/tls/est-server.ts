/**
 * The HTTPS side of a Cumulocity tenant: enrolment (EST, RFC 7030, 4.2) and the tenant's trusted certificates.
 *
 * Requests are checked and certified by openssl, not by code of ours. What the tenant does is the test's to say.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer, type Server } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { join } from "node:path"
import { requestProblem } from "./openssl-output.ts"
import { issueFor, makeIntermediateCa, makeKey, publicKeyPem, type TestPki } from "./pki.ts"

/** Change it at any time. */
export interface TenantState {
  /** One-time passwords by device id; a device that is not in it is refused with 401. */
  readonly registered: Map<string, string>
  /** Devices that are registered when they have been refused this often. */
  registerAfter: { readonly deviceId: string; readonly password: string; readonly refusals: number } | undefined
  /** Bearer tokens that may enrol again. */
  readonly tokens: Set<string>
  /** Any bearer token may. */
  acceptsAnyToken: boolean
  /** In place of a certificate. */
  fault:
    | "500"
    | "400"
    | "garbage"
    | "notX509"
    | "empty"
    | "otherKey"
    | "hang"
    | "cutOff"
    | "endless"
    | "noTenant"
    | undefined
  /** The certificate comes with that of its issuer. */
  withChain: boolean
}

export interface EstServer {
  /** `localhost:port`, for `c8y.http`. */
  readonly address: string
  readonly state: TenantState
  /** `POST /path` of each request, in order. */
  readonly requests: ReadonlyArray<string>
  /** Headers of the last request, by lower case name. */
  readonly lastHeaders: () => IncomingMessage["headers"]
  /** Requests that were certified, PEM. */
  readonly certified: ReadonlyArray<string>
  /** Bodies of trusted certificates that were uploaded. */
  readonly trusted: ReadonlyArray<Record<string, unknown>>
  readonly close: () => Promise<void>
}

export const tenantUser = { user: "operator", password: "pässword" } as const

/** `serverIdentity`: in place of the certificate that `pki.ca` issued for localhost. */
export const startEstServer = async (
  pki: TestPki,
  serverIdentity = { cert: pki.serverCertPem, key: pki.serverKeyPem }
): Promise<EstServer> => {
  const issuer = makeIntermediateCa(pki.ca, "Tenant CA")
  const state: TenantState = {
    registered: new Map(),
    registerAfter: undefined,
    tokens: new Set(),
    acceptsAnyToken: false,
    fault: undefined,
    withChain: false
  }
  const log = { requests: [] as Array<string>, certified: [] as Array<string>, refusals: 0 }
  const trusted: Array<Record<string, unknown>> = []
  let headers: IncomingMessage["headers"] = {}

  const enrol = (body: string, answer: ServerResponse): void => {
    if (state.fault !== undefined && faults[state.fault](answer)) return
    const request = `-----BEGIN CERTIFICATE REQUEST-----\n${body.trim()}\n-----END CERTIFICATE REQUEST-----\n`
    const dir = mkdtempSync(join(pki.dir, "est-"))
    const leaf = state.fault === "otherKey" ? foreignCertificate(pki) : certify(dir, request, issuer)
    log.certified.push(request)
    answer.writeHead(200, { "content-type": "application/pkcs7-mime", "content-transfer-encoding": "base64" })
    answer.end(certsOnly(dir, state.withChain ? [leaf, issuer.certPem] : [leaf]))
  }

  const mayEnrol = (request: IncomingMessage): boolean => {
    const [user = "", password = ""] = basicLogin(request)
    if (state.registered.get(user) === password && password !== "") return true
    log.refusals += 1
    const later = state.registerAfter
    if (later?.deviceId === user && log.refusals >= later.refusals) state.registered.set(user, later.password)
    return false
  }

  const mayEnrolAgain = (request: IncomingMessage): boolean => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1]
    return token !== undefined && (state.acceptsAnyToken || state.tokens.has(token))
  }

  const routes: Readonly<Record<string, (request: IncomingMessage, body: string, answer: ServerResponse) => void>> = {
    "POST /.well-known/est/simpleenroll": (request, body, answer) =>
      mayEnrol(request) ? enrol(body, answer) : refuse(answer, 401),
    "POST /.well-known/est/simplereenroll": (request, body, answer) =>
      mayEnrolAgain(request) ? enrol(body, answer) : refuse(answer, 401),
    "GET /tenant/currentTenant": (request, _body, answer) => {
      if (!isOperator(request)) return refuse(answer, 401)
      sendJson(answer, 200, state.fault === "noTenant" ? [1] : { name: "t1234" })
    },
    "POST /tenant/tenants/t1234/trusted-certificates": (request, body, answer) => {
      if (!isOperator(request)) return refuse(answer, 401)
      const wanted: Record<string, unknown> = JSON.parse(body)
      const isThere = trusted.some((one) => one.certInPemFormat === wanted.certInPemFormat)
      if (!isThere) trusted.push(wanted)
      sendJson(answer, isThere ? 409 : 201, isThere ? { message: "duplicate" } : wanted)
    }
  }

  const server = createServer(serverIdentity, (request, answer) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const name = `${request.method} ${request.url}`
      log.requests.push(name)
      headers = request.headers
      const route = routes[name]
      if (route === undefined) refuse(answer, 404)
      else route(request, Buffer.concat(chunks).toString("utf8"), answer)
    })
  })
  const close = await listening(server)
  return {
    address: `localhost:${(server.address() as AddressInfo).port}`,
    state,
    requests: log.requests,
    lastHeaders: () => headers,
    certified: log.certified,
    trusted,
    close
  }
}

/** Answers whether it has dealt with the request. */
const faults: Readonly<Record<NonNullable<TenantState["fault"]>, (answer: ServerResponse) => boolean>> = {
  "500": (answer) => refuse(answer, 500),
  "400": (answer) => refuse(answer, 400),
  garbage: (answer) => {
    answer.writeHead(200).end("<html>Welcome to the hotel's network</html>")
    return true
  },
  // A PKCS#7 message whose certificate is a sequence of something else.
  notX509: (answer) => {
    const sequence = (tag: number, ...content: ReadonlyArray<Buffer>): Buffer => {
      const inner = Buffer.concat(content)
      return Buffer.concat([Buffer.of(tag, inner.length), inner])
    }
    const signedData = Buffer.from("06092a864886f70d010702", "hex")
    const bag = sequence(0xa0, sequence(0x30, Buffer.of(2, 1, 7)))
    const message = sequence(0x30, signedData, sequence(0xa0, sequence(0x30, Buffer.of(2, 1, 1), bag)))
    answer.writeHead(200).end(message.toString("base64"))
    return true
  },
  empty: (answer) => {
    answer.writeHead(200).end()
    return true
  },
  hang: () => true,
  cutOff: (answer) => {
    answer.writeHead(200, { "content-length": "1000" })
    answer.write("MII", () => answer.destroy())
    return true
  },
  endless: (answer) => {
    const more = (): void => {
      while (!answer.destroyed && answer.write("A".repeat(65_536)));
      answer.once("drain", more)
    }
    more()
    return true
  },
  otherKey: () => false,
  noTenant: () => false
}

const listening = async (server: Server): Promise<() => Promise<void>> => {
  const open = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    open.add(socket)
    socket.on("close", () => open.delete(socket)).on("error", () => undefined)
  })
  server.on("tlsClientError", () => undefined) // the client's side is what the tests look at
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve))
  return () =>
    new Promise((resolve) => {
      for (const socket of open) socket.destroy()
      server.close(() => resolve())
    })
}

const basicLogin = (request: IncomingMessage): ReadonlyArray<string> => {
  const encoded = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""
  const text = Buffer.from(encoded, "base64").toString("utf8")
  const colon = text.indexOf(":")
  return [text.slice(0, colon), text.slice(colon + 1)]
}

const isOperator = (request: IncomingMessage): boolean => {
  const [user, password] = basicLogin(request)
  return user === tenantUser.user && password === tenantUser.password
}

const sendJson = (answer: ServerResponse, status: number, value: unknown): void => {
  answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value))
}

const refuse = (answer: ServerResponse, status: number): true => {
  sendJson(answer, status, { error: "refused", message: `no, with ${status}` })
  return true
}

type Issuer = ReturnType<typeof makeIntermediateCa>

/** Only a request whose signature holds is certified: its key was there when it was made. */
const certify = (dir: string, request: string, issuer: Issuer): string => {
  const file = join(dir, "request.pem")
  const extensions = join(dir, "ext.cnf")
  const leaf = join(dir, "leaf.pem")
  writeFileSync(file, request)
  writeFileSync(extensions, "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n")
  const problem = requestProblem(file)
  if (problem !== undefined) throw new Error(`the request is not signed with its key: ${problem}`)
  const by = ["-CA", issuer.certFile, "-CAkey", issuer.keyFile, "-set_serial", "0x0102"]
  openssl("x509", "-req", "-in", file, ...by, "-days", "30", "-extfile", extensions, "-out", leaf)
  return readFileSync(leaf, "utf8")
}

const foreignCertificate = (pki: TestPki): string =>
  issueFor(pki.ca, publicKeyPem(readFileSync(makeKey(pki.dir, "p256"), "utf8")), "somebody-else")

/** RFC 5652, 5.1: a message without content or signature, only certificates. */
const certsOnly = (dir: string, certificates: ReadonlyArray<string>): string => {
  const files = certificates.flatMap((pem, index) => {
    const file = join(dir, `${index}.pem`)
    writeFileSync(file, pem)
    return ["-certfile", file]
  })
  return openssl("crl2pkcs7", "-nocrl", ...files, "-outform", "DER").toString("base64")
}

const openssl = (...args: ReadonlyArray<string>): Buffer =>
  execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] })
