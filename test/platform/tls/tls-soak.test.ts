/** Many connections, ended in every way: nothing native stays. `npm run soak -- tls` does the same for longer. */
import { readdirSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import type { TlsSigner } from "../../../src/platform/tls/tls-client-signature.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { later } from "../../support/later.ts"
import { testPki } from "../../support/tls/pki.ts"
import {
  exchange,
  failureOf,
  pemSigner,
  startTlsServer,
  type TestTlsServer,
  targetOf
} from "../../support/tls/tls-server.ts"

const pki = testPki()
const sign = pemSigner(pki.deviceKeyPem)
let server: TestTlsServer
beforeAll(async () => {
  server = await startTlsServer(pki)
})
afterAll(async () => {
  await server.close()
  pki.remove()
})

const dial = (signer: TlsSigner) => connectTls(targetOf(pki, server.port), signer)

const endings: ReadonlyArray<() => Promise<unknown>> = [
  () => exchange(dial(sign)),
  () => failureOf(dial(() => Promise.reject(new Error("refused on purpose")))),
  () => failureOf(dial(async () => Buffer.from("no signature"))),
  () => {
    const stream = dial(() => {
      setImmediate(() => stream.destroy())
      return new Promise(() => undefined)
    })
    return failureOf(stream)
  }
]

describe("four hundred connections", () => {
  it("leave nothing open, however they end", async () => {
    const asked = tlsAddon().settingsKept()
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 25; n++) await Promise.all(endings.map((end) => end()))
      expect(tlsAddon().connections()).toBe(0)
    }
    expect(tlsAddon().settingsKept() - asked).toBeLessThanOrEqual(1)
  })

  it("leave eight threads at most for the next ones", async () => {
    const threads = () => readdirSync("/proc/self/task").length
    const before = threads()
    const count = 40
    const all = later<number>()
    let waiting = 0
    const together: TlsSigner = async (...request) => {
      if (++waiting === count) all.resolve(threads())
      await all.promise
      return sign(...request)
    }
    await Promise.all(Array.from({ length: count }, () => exchange(dial(together))))
    expect((await all.promise) - before).toBeGreaterThanOrEqual(count - 8)
    while (threads() > before + 8) await new Promise(setImmediate)
  })
})
