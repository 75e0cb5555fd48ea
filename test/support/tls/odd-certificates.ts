/** Certificates as they should not be, made with the openssl command: any key, digest and extensions, any issuer. */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export interface OddCertificate {
  readonly keyFile: string
  readonly certFile: string
  readonly certPem: string
  readonly keyPem: string
}

export interface OddOptions {
  readonly dir: string
  /** Undefined: signed by itself. */
  readonly issuer?: Pick<OddCertificate, "keyFile" | "certFile">
  readonly cn?: string
  /** Lines of an extension section of openssl. */
  readonly extensions: string
  /** Arguments of `openssl genpkey`. Default: P-256. */
  readonly key?: string
  readonly digest?: string
}

export const oddCertificate = (options: OddOptions): OddCertificate => {
  const { dir, issuer, cn = "localhost", extensions, key = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256" } = options
  const path = (name: string) => join(dir, `${randomBytes(6).toString("hex")}-${name}`)
  const [keyFile, certFile, request, extFile] = [
    path("key.pem"),
    path("cert.pem"),
    path("request.pem"),
    path("ext.cnf")
  ]
  writeFileSync(extFile, `[ext]\n${extensions}\n`)
  openssl(["genpkey", ...key.split(" "), "-out", keyFile])
  openssl(["req", "-new", "-key", keyFile, "-subj", `/CN=${cn}`, "-out", request])
  const by = issuer === undefined ? ["-key", keyFile] : ["-CA", issuer.certFile, "-CAkey", issuer.keyFile]
  const serial = ["-set_serial", `0x${randomBytes(8).toString("hex")}`]
  const digest = options.digest === undefined ? [] : [`-${options.digest}`]
  const content = ["-days", "30", "-extfile", extFile, "-extensions", "ext", ...digest, "-out", certFile]
  openssl(["x509", "-req", "-in", request, ...by, ...serial, ...content])
  return { keyFile, certFile, certPem: readFileSync(certFile, "utf8"), keyPem: readFileSync(keyFile, "utf8") }
}

const openssl = (args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] })
