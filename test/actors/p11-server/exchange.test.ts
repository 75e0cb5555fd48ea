/** One signing service takes the place of another at the same socket, under a client that goes on. */
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { socketCryptokiBehaviour } from "../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import { type Behaviour, start } from "../../../src/runtime/actor.ts"
import { removeTempDir } from "../../support/temp-dir.ts"
import { originalService } from "../../support/token/original-service.ts"
import { served } from "./served.ts"

const message = Uint8Array.of(7)
const client = (socketPath: string): Behaviour<CryptokiProtocol> =>
  socketCryptokiBehaviour({ socketPath, latches: { directory: dirname(socketPath), owner: undefined } })

it("thin-edge's service in the place of ours, and a newer one in that of an older", () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const mailbox = { capacity: 10, overflow: { policy: "refuse" } } as const
        const begin = (path: string) =>
          start<CryptokiProtocol, never, never>({ name: "client", mailbox, behaviour: client(path) })
        let path = ""
        const asked = () => ({ key: {}, scheme: "ecdsa_secp256r1_sha256", message }) as const
        const within = { within: "30 seconds" } as const
        const whileOurs = Effect.scoped(
          Effect.gen(function* () {
            const ours = yield* served()
            path = ours.socketPath
            return yield* Effect.scoped(
              Effect.flatMap(begin(path), (cryptoki) => cryptoki.ask("Sign", asked(), within))
            )
          })
        )
        expect((yield* whileOurs).signature.length).toBeGreaterThan(60)
        const cryptoki = yield* begin(path)
        expect(yield* Effect.flip(cryptoki.ask("Sign", asked(), within))).toMatchObject({ reason: "missing" })
        mkdirSync(dirname(path), { recursive: true })
        yield* Effect.addFinalizer(() => Effect.sync(() => removeTempDir(dirname(path))))
        for (const isOld of [true, false]) {
          const original = yield* Effect.promise(() => originalService({ socketPath: path, isOld }))
          original.addKey("my-key")
          expect((yield* cryptoki.ask("Sign", asked(), within)).signature.length).toBeGreaterThan(60)
          yield* Effect.promise(() => new Promise<void>((resolve) => void original.server.close(() => resolve())))
        }
      })
    )
  ))
