/**
 * A certificate authority for demo and tests, made with the openssl command: P-256 keys, files in one folder.
 *
 * A device certificate can be issued for a public key alone: the private key stays in its token.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { mustRun } from "../run.mjs"

/**
 * `dir` is created. `commonName` tells two authorities apart in error messages.
 * `trace` is called with each command before it runs, as an array.
 */
export const createTestCa = async (dir, commonName = "Test CA", trace = () => undefined) => {
  const openssl = (...args) => {
    trace(["openssl", ...args])
    return mustRun("openssl", args)
  }
  const newKey = (path) => openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
  mkdirSync(dir, { recursive: true })
  const certificate = join(dir, "ca.pem")
  const key = join(dir, "ca.key")
  await newKey(key)
  await openssl(
    ...["req", "-x509", "-new", "-key", key, "-days", "3650", "-subj", `/CN=${commonName}`, "-out", certificate],
    ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
  )

  const sign = async (name, publicKey, subject, days, extensions) => {
    const extensionFile = join(dir, `${name}.ext`)
    const target = join(dir, `${name}.pem`)
    writeFileSync(extensionFile, extensions.join("\n"))
    await openssl(
      ...["x509", "-new", "-force_pubkey", publicKey, "-subj", subject, "-CA", certificate, "-CAkey", key],
      ...["-days", String(days), "-extfile", extensionFile, "-out", target]
    )
    return target
  }

  const publicKeyOf = async (privateKey, name) => {
    const target = join(dir, `${name}.pub`)
    await openssl("pkey", "-in", privateKey, "-pubout", "-out", target)
    return target
  }

  return {
    certificate,

    /** Certificate and key of a server. `names`: subjectAltName entries, `DNS:localhost`. */
    issueServer: async (name, names = ["DNS:localhost", "IP:127.0.0.1"]) => {
      const privateKey = join(dir, `${name}.key`)
      await newKey(privateKey)
      const extensions = [`subjectAltName=${names.join(",")}`, "extendedKeyUsage=serverAuth"]
      const publicKey = await publicKeyOf(privateKey, name)
      return { key: privateKey, certificate: await sign(name, publicKey, `/CN=${name}`, 365, extensions) }
    },

    /** The certificate of a device whose key we do not have. `publicKey`: a PEM file. */
    issueDevice: (deviceId, publicKey, days = 365) =>
      sign(`device-${deviceId}`, publicKey, `/CN=${deviceId}`, days, ["extendedKeyUsage=clientAuth"]),

    /** Certificate and key of a device that keeps its key in a file. */
    issueDeviceWithKey: async (deviceId, days = 365) => {
      const privateKey = join(dir, `device-${deviceId}.key`)
      await newKey(privateKey)
      const publicKey = await publicKeyOf(privateKey, `device-${deviceId}`)
      const extensions = ["extendedKeyUsage=clientAuth"]
      return {
        key: privateKey,
        certificate: await sign(`device-${deviceId}`, publicKey, `/CN=${deviceId}`, days, extensions)
      }
    }
  }
}
