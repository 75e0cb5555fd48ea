/** What tests of the library need: a token with a key and its certificate, a server that demands it. */
import { generateKeyPairSync } from "node:crypto"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import type { SigningKey } from "../../src/tls/key.ts"
import { openToken, type Token, type TokenOptions } from "../../src/tls/open-token.ts"
import { type TestPki, testPki } from "../support/tls/pki.ts"
import { pemSigner, startTlsServer, type TestTlsServer } from "../support/tls/tls-server.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmToken } from "../support/token/softhsm.ts"

export interface TokenPlace {
  readonly hsm: SoftHsmDirectory & SoftHsmToken
  readonly pki: TestPki
  readonly open: (options?: Partial<TokenOptions>) => Token
}

/** Call inside a test: everything ends with it. */
export const tokenPlace = (): TokenPlace => {
  const hsm = softhsmToken()
  const pki = testPki()
  onTestFinished(() => {
    hsm.cleanup()
    pki.remove()
  })
  return {
    hsm,
    pki,
    open: (options = {}) => {
      const token = openToken({
        module: hsm.modulePath,
        pin: hsm.pin,
        environment: hsm.env,
        latch: join(hsm.dir, "latch"),
        ...options
      })
      onTestFinished(() => token.close())
      return token
    }
  }
}

/** A key of the program's own, with its certificate. */
export const ownKey = (pki: TestPki): { readonly key: SigningKey; readonly cert: string } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const sign = pemSigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  return {
    key: { publicKey, sign: (_scheme, message) => sign(0x0403, message, new AbortController().signal) },
    cert: pki.issueFor(publicKey.export({ type: "spki", format: "pem" }).toString(), "own-key")
  }
}

export const startServer = async (
  pki: TestPki,
  ...options: Parameters<typeof startTlsServer> extends [unknown, ...infer Rest] ? Rest : never
): Promise<TestTlsServer> => {
  const server = await startTlsServer(pki, ...options)
  onTestFinished(server.close)
  return server
}

export const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => `no error, but: ${value}`,
    (error: unknown) => error
  )
