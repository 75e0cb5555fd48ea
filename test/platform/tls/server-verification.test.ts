/**
 * Which servers are trusted: every way to one decides alike, and as rustls does, which thin-edge uses.
 *
 * The ways: our add-on (a key on a token), Node's TLS (a key file), HTTPS, a proxy that is spoken to over TLS, and the
 * probe of `tedge hsm doctor`.
 */
import { once } from "node:events"
import { type AddressInfo, connect as dial } from "node:net"
import { createServer, type TlsOptions } from "node:tls"
import { Effect } from "effect"
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest"
import { httpsRequest } from "../../../src/platform/network/https-client.ts"
import { openTunnel } from "../../../src/platform/network/proxy-tunnel.ts"
import { connectNodeTls } from "../../../src/platform/tls/node-tls.ts"
import { probeTls } from "../../../src/platform/tls/tls-probe.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { type TrustStore, trustStore } from "../../../src/platform/tls/trust-store.ts"
import { type OddCertificate, type OddOptions, oddCertificate } from "../../support/tls/odd-certificates.ts"
import { testPki } from "../../support/tls/pki.ts"
import { pemSigner } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)

interface Server {
  readonly port: number
  readonly close: () => Promise<unknown>
}

/** Answers HTTP with 200 to whatever it is asked, also to CONNECT. */
const serverWith = async (options: TlsOptions): Promise<Server> => {
  const server = createServer({ minVersion: "TLSv1", ...options }, (socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
  })
  server.on("tlsClientError", () => undefined)
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve))
  const { port } = server.address() as AddressInfo
  return { port, close: () => new Promise((resolve) => server.close(resolve)) }
}

type Verdict = "trusted" | "refused"
type Way = (port: number, trusted: TrustStore, name: string) => Promise<Verdict>

const secured = async (stream: NodeJS.ReadableStream & { destroy: () => unknown }): Promise<Verdict> => {
  const verdict = once(stream, "secureConnect").then(
    () => "trusted" as const,
    () => "refused" as const
  )
  return verdict.finally(() => {
    stream.on("error", () => undefined)
    stream.destroy()
  })
}

const verdictOf = <A, E>(effect: Effect.Effect<A, E>): Promise<Verdict> =>
  Effect.runPromise(Effect.match(effect, { onSuccess: () => "trusted", onFailure: () => "refused" }))

const withinMs = 10_000

/** These dial an address and expect a name. */
const byName: Readonly<Record<string, Way>> = {
  "the add-on": (port, trusted, serverName) =>
    secured(
      connectTls(
        { host: "localhost", port, serverName, trusted, certificateChain: pki.deviceCertPem, timeoutMs: withinMs },
        pemSigner(pki.deviceKeyPem)
      )
    ),
  "Node's TLS": async (port, trusted, host) => {
    const socket = dial(port, "localhost")
    await once(socket, "connect")
    return secured(connectNodeTls({ host, trusted, socket }))
  }
}

/** These dial the name. */
const all: Readonly<Record<string, Way>> = {
  ...byName,
  HTTPS: (port, trusted, name) =>
    verdictOf(httpsRequest({ method: "GET", url: `https://${name}:${port}/`, headers: {}, trusted, withinMs })),
  "an HTTPS proxy": (port, trusted, name) =>
    verdictOf(
      Effect.scoped(openTunnel({ host: "cloud.example", port: 443 }, { url: `https://${name}:${port}` }, trusted))
    ),
  "the doctor's probe": async (port, trusted, host) =>
    (await Effect.runPromise(probeTls({ host, port, trusted, withinMs }))).kind === "trusted" ? "trusted" : "refused"
}

const verdicts = async (
  ways: Readonly<Record<string, Way>>,
  options: TlsOptions,
  trusted: TrustStore,
  name = "localhost"
): Promise<Record<string, Verdict>> => {
  const server = await serverWith(options)
  const found: Record<string, Verdict> = {}
  for (const [way, ask] of Object.entries(ways)) found[way] = await ask(server.port, trusted, name)
  await server.close()
  return found
}

const everywhere = (ways: object, verdict: Verdict) =>
  Object.fromEntries(Object.keys(ways).map((way) => [way, verdict]))

// ---- certificates ----

const make = (options: Omit<OddOptions, "dir">): OddCertificate => oddCertificate({ dir: pki.dir, ...options })
const caLines = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash"
const leafLines = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash"
const san = "subjectAltName=DNS:localhost,IP:127.0.0.1"
const server = "extendedKeyUsage=serverAuth"
const rsa = (bits: number) => `-algorithm RSA -pkeyopt rsa_keygen_bits:${bits}`
const ec = (curve: string) => `-algorithm EC -pkeyopt ec_paramgen_curve:${curve}`

const root = make({ cn: "Root", extensions: caLines })
const leafBy = (issuer: OddCertificate, changes: Partial<OddOptions> = {}) =>
  make({ issuer, extensions: [leafLines, server, san].join("\n"), ...changes })
const leaf = (...lines: ReadonlyArray<string>) => leafBy(root, { extensions: lines.join("\n") })

/** What the server sends, and what the client trusts. */
interface Case {
  readonly sent: ReadonlyArray<OddCertificate>
  readonly trusted?: ReadonlyArray<OddCertificate>
  readonly name?: string
}
const sent = (...certificates: ReadonlyArray<OddCertificate>): Case => ({ sent: certificates })

const between = (changes: Partial<OddOptions> = {}) =>
  make({ issuer: root, cn: "Between", extensions: caLines, ...changes })

const verdictsOf = (ways: Readonly<Record<string, Way>>, { sent: [own, ...issuers], trusted = [root], name }: Case) => {
  if (own === undefined) throw new Error("no certificate to send")
  const cert = [own, ...issuers].map(({ certPem }) => certPem).join("")
  const anchors = trustStore(trusted.map(({ certPem }) => certPem))
  // The server may show what it likes, also what its own OpenSSL thinks little of.
  return verdicts(ways, { key: own.keyPem, cert, ciphers: "DEFAULT:@SECLEVEL=0" }, anchors, name)
}

const trustedCases: Readonly<Record<string, () => Case>> = {
  "P-256, its name in subjectAltName": () => sent(leaf(leafLines, server, san)),
  "no extended key usage": () => sent(leaf(leafLines, san)),
  "another CN": () => sent(leafBy(root, { cn: "other.example" })),
  "its address in subjectAltName": () => ({ sent: [leaf(leafLines, server, san)], name: "127.0.0.1" }),
  "RSA with 2048 bits": () => sent(leafBy(root, { key: rsa(2048) })),
  "P-384": () => sent(leafBy(root, { key: ec("P-384") })),
  "P-521": () => sent(leafBy(root, { key: ec("P-521") })),
  Ed25519: () => sent(leafBy(root, { key: "-algorithm ED25519" })),
  "an intermediate CA": () => {
    const issuer = between()
    return sent(leafBy(issuer), issuer)
  },
  "an intermediate CA that is trusted, its root is not": () => {
    const issuer = between()
    return { sent: [leafBy(issuer)], trusted: [issuer] }
  },
  "signed by itself, trusted, no CA": () => {
    const own = make({ extensions: [leafLines, server, san].join("\n") })
    return { sent: [own], trusted: [own] }
  }
}

const refusedCases: Readonly<Record<string, () => Case>> = {
  "its name in the CN only": () => sent(leaf(leafLines, server)),
  "its name in the CN, another in subjectAltName": () =>
    sent(leaf(leafLines, server, "subjectAltName=DNS:other.example")),
  "its name in the CN, only an address in subjectAltName": () =>
    sent(leaf(leafLines, server, "subjectAltName=IP:127.0.0.1")),
  "its name in the CN, only a mail address in subjectAltName": () =>
    sent(leaf(leafLines, server, "subjectAltName=email:a@example.com")),
  "its address as a DNS name": () => ({
    sent: [leaf(leafLines, server, "subjectAltName=DNS:127.0.0.1")],
    name: "127.0.0.1"
  }),
  "RSA with 1024 bits": () => sent(leafBy(root, { key: rsa(1024) })),
  "RSA with 2040 bits": () => sent(leafBy(root, { key: rsa(2040) })),
  "an intermediate CA with RSA 1024": () => {
    const issuer = between({ key: rsa(1024) })
    return sent(leafBy(issuer), issuer)
  },
  "a root CA with RSA 1024": () => {
    const weak = make({ cn: "Weak root", extensions: caLines, key: rsa(1024) })
    return { sent: [leafBy(weak)], trusted: [weak] }
  },
  "a SHA-1 signature": () => sent(leafBy(root, { digest: "sha1" })),
  "a SHA-1 signature on its intermediate CA": () => {
    const issuer = between({ digest: "sha1" })
    return sent(leafBy(issuer), issuer)
  },
  "a key on secp256k1": () => sent(leafBy(root, { key: ec("secp256k1") })),
  "an intermediate CA on brainpoolP256r1": () => {
    const issuer = between({ key: ec("brainpoolP256r1") })
    return sent(leafBy(issuer), issuer)
  },
  "a CA certificate as its own": () => sent(leaf(caLines, san)),
  "a CA certificate that signed itself, trusted": () => {
    const own = make({ extensions: [caLines, san].join("\n") })
    return { sent: [own], trusted: [own] }
  },
  "trusted itself, its issuer is not": () => {
    const own = leaf(leafLines, server, san)
    return { sent: [own], trusted: [own] }
  },
  "an unknown CA": () => ({
    ...sent(leaf(leafLines, server, san)),
    trusted: [make({ cn: "Root", extensions: caLines })]
  }),
  "extended key usage of a client": () => sent(leaf(leafLines, "extendedKeyUsage=clientAuth", san)),
  "an issuer that is no CA": () => {
    const issuer = between({ extensions: leafLines })
    return sent(leafBy(issuer), issuer)
  },
  "a path longer than its CA allows": () => {
    const first = between({ extensions: `${caLines}\n`.replace("CA:TRUE", "CA:TRUE,pathlen:0") })
    const second = between({ issuer: first, cn: "Second" })
    return sent(leafBy(second), second, first)
  },
  "a name its CA may not certify": () => {
    const issuer = between({ extensions: `${caLines}\nnameConstraints=critical,permitted;DNS:example.com` })
    return sent(leafBy(issuer), issuer)
  },
  "an unknown critical extension": () => sent(leaf(leafLines, server, san, "1.2.3.4=critical,DER:0500"))
}

describe("a server's certificate", () => {
  it.each(Object.entries(trustedCases))("is trusted on every way: %s", async (_, certificates) => {
    expect(await verdictsOf(all, certificates())).toEqual(everywhere(all, "trusted"))
  })

  it.each(Object.entries(refusedCases))("is refused on every way: %s", async (_, certificates) => {
    expect(await verdictsOf(all, certificates())).toEqual(everywhere(all, "refused"))
  })

  it.each([
    ["*.example.com", "a.example.com", "trusted"],
    ["*.example.com", "A.Example.COM", "trusted"],
    ["*.example.com", "a.example.com.", "trusted"],
    ["*.example.com", "a.b.example.com", "refused"],
    ["*.example.com", "example.com", "refused"],
    ["a*.example.com", "ab.example.com", "refused"],
    ["*a.example.com", "ba.example.com", "refused"],
    ["a.*.com", "a.example.com", "refused"],
    ["*.*.example.com", "a.b.example.com", "refused"]
  ] as const)("with the name %s, asked for %s: %s", async (pattern, name, verdict) => {
    const own = leaf(leafLines, server, `subjectAltName=DNS:${pattern}`)
    expect(await verdictsOf(byName, { sent: [own], name })).toEqual(everywhere(byName, verdict))
  })
})

describe("a server of TLS 1.2", () => {
  const own = leafBy(root, {
    key: rsa(2048),
    extensions: [leafLines.replace("digitalSignature", "digitalSignature,keyEncipherment"), server, san].join("\n")
  })
  const offering = (options: TlsOptions) =>
    verdicts(all, { key: own.keyPem, cert: own.certPem, maxVersion: "TLSv1.2", ...options }, trustStore([root.certPem]))

  it.each([["ECDHE-RSA-AES128-GCM-SHA256"], ["ECDHE-RSA-CHACHA20-POLY1305"]])("is used with %s", async (ciphers) => {
    expect(await offering({ ciphers })).toEqual(everywhere(all, "trusted"))
  })

  it.each([
    ["ECDHE-RSA-AES128-SHA256", "no AEAD"],
    ["ECDHE-RSA-AES256-SHA", "no AEAD"],
    ["AES128-GCM-SHA256", "no forward secrecy"],
    ["DHE-RSA-AES128-GCM-SHA256", "finite-field Diffie-Hellman"]
  ])("is not, with %s: %s", async (ciphers) => {
    expect(await offering({ ciphers: `${ciphers}:@SECLEVEL=0`, dhparam: "auto" })).toEqual(everywhere(all, "refused"))
  })

  it.each(["TLSv1.1", "TLSv1"] as const)("is not, with %s", async (maxVersion) => {
    expect(await offering({ maxVersion, ciphers: "DEFAULT:@SECLEVEL=0" })).toEqual(everywhere(all, "refused"))
  })
})

describe("nothing but the given certificates decides", () => {
  const name = "NODE_TLS_REJECT_UNAUTHORIZED"
  beforeEach(() => {
    process.env[name] = "0"
  })
  afterEach(() => {
    delete process.env[name]
  })

  it("also with NODE_TLS_REJECT_UNAUTHORIZED=0", async () => {
    const own = leafBy(root)
    const others = trustStore([make({ cn: "Other", extensions: caLines }).certPem])
    const found = await verdicts(all, { key: own.keyPem, cert: own.certPem }, others)
    expect(found).toEqual(everywhere(all, "refused"))
  })
})
