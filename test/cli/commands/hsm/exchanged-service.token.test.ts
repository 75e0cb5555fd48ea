/** One signing service in place of another at the same socket path, under a client that goes on: thin-edge's is played. */
import { unlinkSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest"
import { socketCryptokiBehaviour } from "../../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { originalService } from "../../../support/token/original-service.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { startSigningService } from "./signing-service.ts"

let place: string
let hsm: SoftHsmDirectory

beforeAll(freshHost)
beforeEach(() => {
  place = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "tedge" }).importKey({ label: "key" })
})
afterEach(() => {
  hsm.cleanup()
  removeTempDir(place)
})

const socketPath = () => join(place, "p11.sock")

/** Each runs the work while it serves. */
const services = {
  ours: async (work: () => Promise<void>): Promise<void> => {
    const server = await startSigningService({ place, modulePath: hsm.modulePath, environment: hsm.env })
    await work()
    await server.stop()
  },
  /** It leaves its socket behind. */
  "ours, killed": async (work: () => Promise<void>): Promise<void> => {
    const server = await startSigningService({ place, modulePath: hsm.modulePath, environment: hsm.env })
    await work()
    await server.stop("SIGKILL")
  },
  "thin-edge's": async (work: () => Promise<void>): Promise<void> => {
    try {
      unlinkSync(socketPath()) // as thin-edge's does at its start
    } catch {
      // none was left
    }
    const service = await originalService({ socketPath: socketPath() })
    service.addKey("key")
    await work()
    await new Promise((resolve) => service.server.close(resolve))
  }
}

it("a client signs through whichever service is there", () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const latches = { directory: place, owner: undefined }
        const cryptoki = yield* start<CryptokiProtocol, never, never>({
          name: "cryptoki",
          mailbox: { capacity: 10, overflow: { policy: "refuse" } },
          behaviour: socketCryptokiBehaviour({ socketPath: socketPath(), latches })
        })
        const key = { uri: { token: "tedge", object: "key" }, pin: Redacted.make("123456") }
        const signs = async (): Promise<void> => {
          const offered = ["ecdsa_secp256r1_sha256"] as const
          const chosen = await Effect.runPromise(
            cryptoki.ask("ChooseScheme", { offered, key }, { within: "30 seconds" })
          )
          expect(chosen.scheme).toBe("ecdsa_secp256r1_sha256")
          const message = new TextEncoder().encode("message")
          const request = { key: chosen.key, scheme: chosen.scheme, message }
          const { signature } = await Effect.runPromise(cryptoki.ask("Sign", request, { within: "30 seconds" }))
          expect(signature.length).toBeGreaterThan(60)
        }
        for (const name of ["ours", "thin-edge's", "ours, killed", "thin-edge's", "ours"] as const)
          yield* Effect.promise(() => services[name](signs))
      })
    )
  ))
