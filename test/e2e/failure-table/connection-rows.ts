/** The way to the cloud: settings of the connection, certificates, network, TLS, MQTT, the signing service. */
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls"
import { freePort } from "../../../scripts/lib/free-port.mjs"
import { startOpensslServer } from "../../support/tls/openssl-server.ts"
import {
  type Identity,
  makeCa,
  makeDeviceCertificate,
  makeServerCertificate,
  type Validity
} from "../../support/tls/pki.ts"
import { scriptedModule } from "../../support/token/scripted-module.ts"
import type { Row } from "./row.ts"
import type { Outcome, Settings, World } from "./world.ts"

const connect = ["connect", "c8y"]

const connecting =
  (settings: Settings) =>
  ({ place }: World): Promise<Outcome> =>
    place(settings).tedge(connect)

/** A cloud on 127.0.0.1 that only does what is wrong with it. */
const cloudAt = (port: number): Settings => ({ "c8y.url": "127.0.0.1", "c8y.mqtt": `127.0.0.1:${port}` })

const listen = async (server: Server, { atEnd }: World): Promise<number> => {
  const open = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    open.add(socket)
    socket.on("error", () => undefined).on("close", () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEnd(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const withTcp =
  (serve: (socket: Socket) => void) =>
  async (world: World): Promise<Outcome> =>
    world.place(cloudAt(await listen(createServer(serve), world))).tedge(connect)

/** `settings`: besides those that lead to this cloud. */
const withTls =
  (serve: (socket: TLSSocket) => void, options: (world: World) => TlsOptions = () => ({}), settings: Settings = {}) =>
  async (world: World): Promise<Outcome> => {
    const { pki } = world
    const identity = { cert: pki.serverCertPem, key: pki.serverKeyPem, requestCert: true, rejectUnauthorized: false }
    const server = createTlsServer({ ...identity, ...options(world) }, (socket) => {
      socket.on("error", () => undefined)
      serve(socket)
    })
    return world.place({ ...cloudAt(await listen(server, world)), ...settings }).tedge(connect)
  }

const nothing = () => undefined

/** A server whose certificate is malformed. */
const withServer = (certificate: (world: World) => Identity) =>
  withTls(nothing, (world) => {
    const { certPem, keyPem } = certificate(world)
    return { cert: certPem, key: keyPem }
  })

/** A server that judges the device's certificate and tells by an alert. */
const withJudge =
  (args: ReadonlyArray<string>, trusted: (world: World) => string = ({ pki }) => pki.caFile, settings: Settings = {}) =>
  async (world: World): Promise<Outcome> => {
    const server = await startOpensslServer(world.pki, args, trusted(world))
    world.atEnd(server.close)
    return world.place({ ...cloudAt(server.port), ...settings }).tedge(connect)
  }

const withDeviceCertificate =
  (validity: Validity) =>
  ({ pki, place }: World): Promise<Outcome> =>
    place({ "device.cert_path": makeDeviceCertificate(pki.ca, { validity }).certFile }).tedge(connect)

const withTwoDevices =
  (settings: Settings) =>
  ({ pki, place, file }: World): Promise<Outcome> => {
    const two = file("two.pem", `${makeDeviceCertificate(pki.ca).certPem}${pki.deviceCertPem}`)
    return place({ "device.cert_path": two, ...settings }).tedge(connect)
  }

const basic = (world: World): Settings => ({
  "c8y.auth_method": "basic",
  "c8y.credentials_path": world.file("credentials.toml", '[c8y]\nusername = "t1/dev01"\npassword = "s3cret"\n'),
  "device.id": "dev01"
})

export const settingRows: ReadonlyArray<Row> = [
  {
    tag: "SettingMissing",
    failure: "no URL",
    how: "neither c8y.url nor c8y.mqtt",
    cause: connecting({ "c8y.url": undefined, "c8y.mqtt": undefined }),
    says: "A value for 'c8y.url' is missing",
    next: "tedge config set c8y.url <value>"
  },
  {
    tag: "SettingMissing",
    failure: "no certificate",
    how: "device.cert_path names no file",
    cause: connecting({ "device.cert_path": "/nowhere/cert.pem" }),
    says: "The device id is read from the device certificate, and there is none at '/nowhere/cert.pem'",
    next: "tedge cert create --device-id <id>"
  },
  {
    tag: "CredentialUnusable",
    failure: "no certificate, but an id",
    how: "device.cert_path names no file, device.id is set",
    cause: connecting({ "device.cert_path": "/nowhere/cert.pem", "device.id": "dev01" }),
    says: "the certificate file '/nowhere/cert.pem' does not exist",
    next: "make one with `tedge cert create`"
  },
  {
    tag: "SettingMissing",
    failure: "leaf not first, and not to be told",
    how: "the certificates of two devices in the file",
    cause: withTwoDevices({}),
    says: "the device's certificate must come first in '",
    next: "keep only the device's certificate and, after it, its issuers"
  },
  {
    tag: "CredentialUnusable",
    failure: "leaf not first, and not to be told, but an id",
    how: "the certificates of two devices in the file, device.id is set",
    cause: withTwoDevices({ "device.id": "dev01" }),
    says: "the device's certificate must come first in '",
    next: "keep only the device's certificate and, after it, its issuers"
  },
  {
    tag: "CredentialUnusable",
    failure: "certificate in DER form",
    how: "device.cert_path names a DER file",
    cause: ({ pki, place, file }) => {
      const der = Buffer.from(pki.deviceCertPem.replaceAll(/-----.*-----|\s/g, ""), "base64")
      return place({ "device.cert_path": file("cert.der", der), "device.id": "dev01" }).tedge(connect)
    },
    says: "is in DER form; PEM is required",
    next: "openssl x509 -inform DER"
  },
  {
    tag: "CredentialUnusable",
    failure: "no credentials",
    how: "basic authentication, and no credentials.toml",
    cause: connecting({ "c8y.auth_method": "basic", "c8y.credentials_path": "/nowhere/credentials.toml" }),
    says: "the credentials file '/nowhere/credentials.toml' does not exist",
    next: "it holds [c8y] with username and password"
  },
  {
    tag: "KeyMismatch",
    failure: "key and certificate differ",
    how: "the certificate of another key",
    cause: ({ pki, place }) => place({ "device.cert_path": pki.deviceCertFile }).tedge(connect),
    says: /^the private key 'pkcs11:.*' does not belong to the certificate/,
    next: "set the pair that belongs together"
  },
  {
    tag: "KeyMismatch",
    failure: "leaf not in the chain",
    how: "a chain whose certificates are all of other keys",
    cause: ({ pki, place, file }) =>
      place({ "device.cert_path": file("chain.pem", `${pki.caPem}${pki.deviceCertPem}`), "device.id": "dev01" }).tedge(
        connect
      ),
    says: "does not belong to the certificate",
    next: "set the pair that belongs together"
  },
  {
    tag: "CertificateOfOtherDevice",
    failure: "a renewed certificate of another device",
    how: "another device's certificate in device.pem.new; the port is closed",
    cause: async ({ pki, certFile, place, file }) => {
      const path = file("device.pem", readFileSync(certFile))
      writeFileSync(`${path}.new`, makeDeviceCertificate(pki.ca, { cn: "dev02" }).certPem)
      return place({ "device.cert_path": path, ...cloudAt(await freePort()) }).tedge(connect)
    },
    says: /^the new certificate '.*device.pem.new' is for the device 'dev02', and this one is 'dev01'/,
    next: "or renew again: tedge cert renew"
  },
  {
    tag: "CertificateNotValid",
    failure: "certificate expired",
    how: "a device certificate of 2020",
    cause: withDeviceCertificate("expired"),
    says: /^the device certificate '.*' expired at 2021-01-01/,
    next: "renew it: tedge cert renew"
  },
  {
    tag: "CertificateNotValid",
    failure: "certificate not yet valid",
    how: "a device certificate of 2090",
    cause: withDeviceCertificate("notYetValid"),
    says: /^the device certificate '.*' is not valid before 2090-01-01/,
    next: "check the device's clock: date"
  }
]

export const networkRows: ReadonlyArray<Row> = [
  {
    tag: "DialFailed",
    failure: "port closed",
    how: "c8y.mqtt with a port without a listener",
    cause: async ({ place }) => place(cloudAt(await freePort())).tedge(connect),
    says: /^connection refused at 127\.0\.0\.1:\d+$/,
    next: "check host and port"
  },
  {
    tag: "DialFailed",
    failure: "DNS",
    how: "c8y.url with a name that cannot exist (RFC 6761)",
    cause: connecting({ "c8y.url": "cloud.invalid", "c8y.mqtt": undefined }),
    says: "the host name 'cloud.invalid' cannot be resolved",
    next: "DNS settings"
  },
  {
    tag: "DialFailed",
    failure: "proxy refuses",
    how: "a proxy that answers 403",
    cause: async (world) => {
      const proxy = createServer((socket) => void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"))
      const address = `127.0.0.1:${await listen(proxy, world)}`
      return world.place({ "proxy.address": `http://${address}` }).tedge(connect)
    },
    says: /^localhost:\d+ cannot be reached through the proxy \(http:\/\/127\.0\.0\.1:\d+: 403 Forbidden\)$/,
    next: "tedge config list proxy"
  },
  {
    tag: "TlsFailed",
    failure: "server not trusted",
    how: "a server certificate of another authority",
    cause: withServer(({ pki }) => makeServerCertificate(makeCa(pki.dir, "Foreign CA"))),
    says: "The device does not trust the certificate presented by 127.0.0.1",
    next: "root_cert_path"
  },
  {
    tag: "TlsFailed",
    failure: "host name mismatch",
    how: "a server certificate for other.example",
    cause: withServer(({ pki }) => makeServerCertificate(pki.ca, { names: "DNS:other.example" })),
    says: "the certificate presented by 127.0.0.1 is for another name",
    next: "tedge config"
  },
  {
    tag: "TlsFailed",
    failure: "clock behind",
    how: "a server certificate of 2090",
    cause: withServer(({ pki }) => makeServerCertificate(pki.ca, { validity: "notYetValid" })),
    says: "the certificate presented by 127.0.0.1 is not valid yet",
    next: "check the device's clock: date"
  },
  {
    tag: "TlsFailed",
    failure: "clock ahead",
    how: "a server certificate of 2020",
    cause: withServer(({ pki }) => makeServerCertificate(pki.ca, { validity: "expired" })),
    says: "the certificate presented by 127.0.0.1 has expired",
    next: "check the device's clock: date"
  },
  {
    tag: "TlsFailed",
    failure: "certificate not trusted by the cloud",
    how: "a server that trusts another authority",
    cause: withJudge([], ({ pki }) => makeCa(pki.dir, "Foreign CA").certFile),
    says: "127.0.0.1 did not recognise the device certificate",
    next: "tedge cert upload c8y"
  },
  {
    tag: "TlsFailed",
    failure: "expired by the cloud's clock",
    how: "a server that lives in 2095",
    cause: withJudge(["-attime", "3944678400"]),
    says: "127.0.0.1 rejected the device certificate as expired",
    next: "tedge cert renew"
  },
  {
    tag: "TlsFailed",
    failure: "cloud wants a certificate",
    how: "user and password for a server that wants a certificate",
    cause: async (world) => withJudge([], undefined, basic(world))(world),
    says: "127.0.0.1 requires a device certificate, and none was sent",
    next: "device.cert_path"
  },
  {
    tag: "TlsFailed",
    failure: "no common cipher",
    how: "a TLS 1.2 server with a cipher for RSA alone",
    cause: withJudge(["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]),
    says: "127.0.0.1 refused the TLS handshake without giving a reason",
    next: "check that device.cert_path belongs to the key"
  },
  {
    tag: "TlsFailed",
    failure: "not TLS",
    how: "a server that speaks HTTP",
    cause: withTcp((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    says: /^the server at 127\.0\.0\.1:\d+ does not speak TLS/,
    next: "check the port"
  },
  {
    tag: "TlsFailed",
    failure: "signature does not verify",
    how: "a bit of the token's signature is turned",
    cause: (world) => {
      const module = scriptedModule(world.hsm.modulePath)
      world.atEnd(module.cleanup)
      module.set({ C_Sign: { signature: "corrupt" } })
      return world.place({ "device.cryptoki.module_path": module.modulePath }).tedge(connect)
    },
    says: "the token's signature does not verify with the key of the device certificate; it was not sent",
    next: "tedge hsm doctor"
  },
  {
    tag: "ConnectionLost",
    failure: "hung up",
    how: "a server that ends the connection after TLS",
    cause: withTls((socket) => void socket.end()),
    says: /^127\.0\.0\.1:\d+ closed the connection before it was established/,
    next: "see its log"
  },
  {
    tag: "BrokerRefused",
    failure: "not authorised",
    how: "a cloud that answers CONNECT with code 5",
    cause: withTls((socket) => void socket.once("data", () => socket.write(Buffer.from([0x20, 2, 0, 5])))),
    says: /^the broker at 127\.0\.0\.1:\d+ refused: this client is not authorised/,
    next: "what this device may do"
  },
  {
    tag: "BrokerSilent",
    failure: "time-out",
    how: "a cloud without an answer; C_Sign takes 700 ms",
    cause: (world) => {
      const module = scriptedModule(world.hsm.modulePath)
      world.atEnd(module.cleanup)
      module.set({ C_Sign: { delayMs: 700 } })
      return withTls(nothing, undefined, { "device.cryptoki.module_path": module.modulePath })(world)
    },
    says: /^127\.0\.0\.1:\d+ did not answer within 60 s \(waiting for CONNACK; the token took (0\.[7-9]|[1-9]\S*) s of it\)$/,
    next: "check that the port is one for MQTT",
    slow: true
  }
]

/** Mode socket; the server at the path is this. */
const withService =
  (serve: (socket: Socket) => void) =>
  async ({ dir, place, atEnd }: World): Promise<Outcome> => {
    const path = join(dir, `service-${Math.random().toString(36).slice(2)}.sock`)
    const server = createServer((socket) => serve(socket.on("error", () => undefined)))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    atEnd(() => server.close())
    return place({ "device.cryptoki.mode": "socket", "device.cryptoki.socket_path": path }).tedge(connect)
  }

export const serviceRows: ReadonlyArray<Row> = [
  {
    tag: "SigningServiceUnreachable",
    failure: "tedge-p11-server not running",
    how: "mode socket, and nothing at socket_path",
    cause: connecting({ "device.cryptoki.mode": "socket", "device.cryptoki.socket_path": "/nowhere/p11.sock" }),
    says: "Failed to connect to tedge-p11-server UNIX socket at '/nowhere/p11.sock': there is no socket",
    next: "tedge-p11-server"
  },
  {
    tag: "SigningServiceUnreachable",
    failure: "socket left over",
    how: "a stale socket file at socket_path",
    cause: ({ dir, place }) => {
      const path = join(dir, "dead.sock")
      writeFileSync(path, "")
      return place({ "device.cryptoki.mode": "socket", "device.cryptoki.socket_path": path }).tedge(connect)
    },
    says: "connection refused",
    next: "tedge-p11-server"
  },
  {
    tag: "SigningServiceUnreachable",
    failure: "tedge-p11-server hangs up",
    how: "a service that closes without an answer",
    cause: withService((socket) => void socket.once("data", () => socket.destroy())),
    says: "it closed the connection before it answered",
    next: "tedge-p11-server"
  },
  {
    tag: "SigningServiceResponseInvalid",
    failure: "not tedge-p11-server",
    how: "a service that answers with HTTP",
    cause: withService((socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    says: "does not speak the protocol of tedge-p11-server",
    next: "tedge config get device.cryptoki.socket_path"
  },
  {
    tag: "SigningServiceRefused",
    failure: "the service has no such key",
    how: "tedge-p11-server, and a key_uri it does not know",
    cause: ({ socketPath, place }) =>
      place({
        "device.cryptoki.mode": "socket",
        "device.cryptoki.socket_path": socketPath,
        "device.key_uri": "pkcs11:token=my-token;object=lost"
      }).tedge(connect),
    says: /PKCS #11 service failed: .*Failed to find a (signing )?key/,
    next: "list the keys with: tedge hsm list-keys"
  },
  {
    tag: "SigningServiceRefused",
    failure: "the service has the key on another token",
    how: "tedge-p11-server, and a key_uri that names a token it has not",
    cause: ({ socketPath, place }) =>
      place({
        "device.cryptoki.mode": "socket",
        "device.cryptoki.socket_path": socketPath,
        "device.key_uri": "pkcs11:token=lost;object=my-key"
      }).tedge(connect),
    says: /PKCS #11 service failed: .*; the public half of such a key is on token 'my-token'/,
    next: "name that token in: tedge config get device.key_uri"
  }
]
