/** What the signer may do wrong, when it is told to stop, and that it never holds up anybody else. */

import { createSign, randomBytes } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import type { TlsSigner } from "../../../src/platform/tls/tls-client-signature.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { later } from "../../support/later.ts"
import { startOpensslServer } from "../../support/tls/openssl-server.ts"
import { makeDeviceCertificate, testPki } from "../../support/tls/pki.ts"
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
afterEach(() => expect(tlsAddon().connections()).toBe(0))

/** A signer that never answers, and what becomes of it. */
const stuckSigner = () => {
  const asked = later<AbortSignal>()
  const signer: TlsSigner = (_scheme, _message, abort) => {
    asked.resolve(abort)
    return new Promise(() => undefined)
  }
  return { signer, wanted: asked.promise }
}

describe("a signer that", () => {
  const other = makeDeviceCertificate(pki.ca)
  const wrongMessage: TlsSigner = async (scheme, message, abort) => sign(scheme, message.subarray(1), abort)
  const wrongHash: TlsSigner = async (_scheme, message) => createSign("sha512").update(message).sign(pki.deviceKeyPem)
  const flipped: TlsSigner = async (scheme, message, abort) => {
    const signature = Buffer.from(await sign(scheme, message, abort))
    signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1)
    return signature
  }
  /** One that breaks its contract. */
  const broken = (answer: unknown): TlsSigner => (() => Promise.resolve(answer)) as TlsSigner
  const refusal = new Error("CKR_PIN_INCORRECT")
  const rows: ReadonlyArray<[what: string, signer: TlsSigner, reason: string, cause?: Error]> = [
    ["rejects", () => Promise.reject(refusal), "refused", refusal],
    [
      "throws",
      () => {
        throw refusal
      },
      "refused",
      refusal
    ],
    ["answers nothing", broken(undefined), "notASignature"],
    ["answers no bytes", broken(Buffer.alloc(0)), "notASignature"],
    ["answers text", broken("signature"), "notASignature"],
    ["answers 5000 bytes", broken(randomBytes(5000)), "notASignature"],
    ["answers rubbish", broken(randomBytes(70)), "signatureMismatch"],
    ["signs with another key", pemSigner(other.keyPem), "signatureMismatch"],
    ["signs another message", wrongMessage, "signatureMismatch"],
    ["signs with another hash", wrongHash, "signatureMismatch"],
    ["flips a bit", flipped, "signatureMismatch"]
  ]

  it.each(rows)("%s ends the connection before the server sees a signature", async (_what, signer, reason, cause) => {
    const before = server.accepted.length
    const failure = await failureOf(connectTls(targetOf(pki, server.port), signer))
    expect(failure).toMatchObject({ code: "ERR_TLS_SIGN", reason })
    expect((failure as Error).cause).toBe(cause)
    expect(server.accepted.length).toBe(before)
  })
})

describe("a signature that is awaited", () => {
  it("is called off when the stream is destroyed", async () => {
    const { signer, wanted } = stuckSigner()
    const stream = connectTls(targetOf(pki, server.port), signer)
    const abort = await wanted
    const closed = once(stream, "close")
    stream.destroy()
    await closed
    expect(abort.aborted).toBe(true)
  })

  it("is called off when the stream is destroyed with an error, which stays the error", async () => {
    const { signer, wanted } = stuckSigner()
    const stream = connectTls(targetOf(pki, server.port), signer)
    const failed = failureOf(stream)
    const abort = await wanted
    const reason = new Error("the user left")
    stream.destroy(reason)
    expect(await failed).toBe(reason)
    expect(abort.aborted).toBe(true)
  })

  it("is called off when the time is over", async () => {
    const { signer, wanted } = stuckSigner()
    const failed = failureOf(connectTls(targetOf(pki, server.port, { timeoutMs: 2_000 }), signer))
    expect(await failed).toMatchObject({ code: "ERR_TLS_TIMEOUT", reason: "signing" })
    expect((await wanted).aborted).toBe(true)
  })

  it("is cancelled when the server closes the connection", async () => {
    const { signer, wanted } = stuckSigner()
    const relay = createServer((near) => {
      const far = connect(server.port, "127.0.0.1")
      for (const end of [near, far]) end.on("error", () => undefined)
      near.pipe(far).pipe(near)
      near.on("close", () => far.destroy())
      void wanted.then(() => near.end())
    })
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve))
    const { port } = relay.address() as AddressInfo
    const failed = failureOf(connectTls(targetOf(pki, port), signer))
    expect(await failed).toMatchObject({ code: "ECONNRESET", reason: "signing" })
    expect((await wanted).aborted).toBe(true)
    relay.close()
  })

  it("may come late without harm", async () => {
    const asked = later<void>()
    const answer = later<void>()
    const late: TlsSigner = async (...request) => {
      asked.resolve()
      await answer.promise
      return sign(...request)
    }
    const stream = connectTls(targetOf(pki, server.port), late)
    await asked.promise
    stream.destroy()
    await once(stream, "close")
    answer.resolve()
    await new Promise(setImmediate)
  })

  it("may be given up by the signer itself, which destroys the stream", async () => {
    const stream = connectTls(targetOf(pki, server.port), async (...request) => {
      stream.destroy()
      return sign(...request)
    })
    await once(stream, "close")
  })
})

describe.each(["TLSv1.3", "TLSv1.2"] as const)(
  "over %s a server that sends an alert while the signature is awaited",
  (version) => {
    /**
     * On the way to a real server: when the signature is wanted, the server gets a record that is none of ours and
     * answers with the alert. `hangsUp`: what becomes of the client's socket then.
     */
    const alertedBy = async (signed: Promise<unknown>, hangsUp: "end" | "reset" | "not") => {
      const judge = await startOpensslServer(pki, [version === "TLSv1.3" ? "-tls1_3" : "-tls1_2"])
      const alerted = later<void>()
      const heardAfterwards: Array<Buffer> = []
      const relay = createServer((near) => {
        const far = connect(judge.port, "127.0.0.1")
        for (const end of [near, far]) end.on("error", () => undefined)
        near.pipe(far)
        void signed.then(() => {
          near.on("data", (data) => heardAfterwards.push(data))
          far.write(Buffer.from([22, 3, 3, 0, 4, 1, 2, 3, 4]))
          far.once("data", () => alerted.resolve())
        })
        far.on("data", (data) => near.write(data))
        far.on("close", () => {
          if (hangsUp === "end") near.end()
          if (hangsUp === "reset") near.resetAndDestroy()
        })
        near.on("close", () => far.destroy())
      })
      await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve))
      const close = async () => {
        relay.close()
        await judge.close()
      }
      return { port: (relay.address() as AddressInfo).port, alerted: alerted.promise, heardAfterwards, close }
    }
    const alert = expect.toSatisfy((number) => number === 10 || number === 20, "unexpected_message or bad_record_mac")

    it("and closes the connection is quoted at once, and the signature cancelled", async () => {
      const { signer, wanted } = stuckSigner()
      const server = await alertedBy(wanted, "end")
      const failure = await failureOf(connectTls(targetOf(pki, server.port), signer))
      expect(failure).toMatchObject({ code: "ERR_TLS_HANDSHAKE", alert })
      expect((await wanted).aborted).toBe(true)
      await server.close()
      expect(server.heardAfterwards).toEqual([])
    })

    it("and resets the connection is quoted, when the alert came through", async () => {
      const { signer, wanted } = stuckSigner()
      const server = await alertedBy(wanted, "reset")
      const failure = await failureOf(connectTls(targetOf(pki, server.port), signer))
      // A reset may overtake what the kernel has not handed on yet.
      expect(["ERR_TLS_HANDSHAKE", "ECONNRESET"]).toContain((failure as { code: string }).code)
      expect((await wanted).aborted).toBe(true)
      await server.close()
    })

    it("and stays is quoted when the signature has come", async () => {
      const asked = later<void>()
      const server = await alertedBy(asked.promise, "not")
      const stream = connectTls(targetOf(pki, server.port), async (...request) => {
        asked.resolve()
        await server.alerted
        return sign(...request)
      })
      expect(await failureOf(stream)).toMatchObject({ code: "ERR_TLS_HANDSHAKE", alert })
      await server.close()
    })
  }
)

describe("a hundred handshakes at once", () => {
  /** Every signer waits for all the others: one that blocked the event loop, or the next handshake, would never end. */
  it("wait for their signatures side by side while the event loop turns", async () => {
    const count = 100
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const all = later<void>()
    let waiting = 0
    const together: TlsSigner = async (...request) => {
      if (++waiting === count) {
        turns = 0
        const wait = setInterval(() => {
          if (turns < 20) return
          clearInterval(wait)
          all.resolve()
        }, 1)
      }
      await all.promise
      return sign(...request)
    }
    const streams = Array.from({ length: count }, () => connectTls(targetOf(pki, server.port), together))
    const answers = await Promise.all(streams.map((stream, index) => exchange(stream, `number ${index}`)))
    clearInterval(timer)
    expect(answers).toEqual(Array.from({ length: count }, (_, index) => `number ${index}`))
  })
})
