/** A client that runs on while thin-edge's service and ours take each other's place at one socket path. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { socketCryptokiBehaviour } from "../../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { originalService } from "../../../support/token/original-service.ts"
import { serverPlace } from "./server-process.ts"

it("one service in the place of the other heals for a running client, both ways", async () => {
  const place = serverPlace()
  place.hsm.addToken({ label: "my-token" }).importKey({ label: "ours" })
  const mailbox = { capacity: 16, overflow: { policy: "refuse" } } as const
  const latches = { directory: place.dir, owner: undefined }
  const behaviour = socketCryptokiBehaviour({ socketPath: place.socketPath, latches })
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const client = yield* start<CryptokiProtocol, never, never>({ name: "cryptoki", mailbox, behaviour })
        const labels = client
          .ask("ListKeys", { token: {} }, { within: "60 seconds" })
          .pipe(Effect.map((keys) => JSON.stringify(keys)))
        for (let round = 0; round < 2; round++) {
          const theirs = yield* Effect.promise(() => originalService({ socketPath: place.socketPath }))
          theirs.addKey("theirs")
          expect(yield* labels).toContain("theirs")
          yield* Effect.promise(() => new Promise((closed) => theirs.server.close(closed)))
          expect((yield* Effect.result(labels))._tag).toBe("Failure")
          const ours = place.start({ args: ["--pin", "123456"] })
          yield* Effect.promise(() => ours.logged("Server listening"))
          expect(yield* labels).toContain("ours")
          ours.child.kill("SIGTERM")
          yield* Effect.promise(() => ours.ended)
        }
      })
    )
  )
})
