/** CryptokiActor keeps its promises on real tokens: on SoftHSM2, and on one that is pulled out and hangs. */
import { join } from "node:path"
import { Effect } from "effect"
import { cryptokiBehaviour } from "../../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent } from "../../../src/messages/cryptoki.ts"
import { start } from "../../../src/runtime/actor.ts"
import { scriptedModule } from "../../support/scripted-module.ts"
import { softhsmToken } from "../../support/softhsm.ts"
import { describeCryptoki } from "./contract.ts"

const softToken = Effect.acquireRelease(
  Effect.sync(() => softhsmToken({ label: "my-token" })),
  (token) => Effect.sync(() => token.cleanup())
)

/** CryptokiActor over a module that sees this token. */
const moduleMode = (token: ReturnType<typeof softhsmToken>, modulePath: string, signMs = defaultLimits.signMs) =>
  Effect.gen(function* () {
    const events: Array<CryptokiEvent> = []
    const settings = {
      modulePath,
      defaultPin: undefined,
      scope: undefined,
      latchDirectory: join(token.dir, "latch"),
      latchGroup: undefined,
      limits: { ...defaultLimits, signMs },
      idleHostEnds: false,
      keepLookingMs: 0,
      environment: { ...process.env, ...token.env }
    }
    const publish = (event: CryptokiEvent) => Effect.sync(() => void events.push(event))
    const cryptoki = yield* start({
      name: "cryptoki",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } },
      behaviour: cryptokiBehaviour(settings, { publish })
    })
    const { publicKeyPem } = token.importKey({ label: "my-key", id: "01" })
    const addKey = (label: string, id: string) => void token.importKey({ label, id })
    return { cryptoki, publicKeyPem, addKey, events: () => events }
  })

describeCryptoki({
  name: "SoftHSM2",
  can: ["events"],
  start: Effect.flatMap(softToken, (token) => moduleMode(token, token.modulePath))
})

describeCryptoki({
  name: "scripted module around SoftHSM2",
  can: ["events", "logins", "unplug", "hang"],
  start: Effect.gen(function* () {
    const token = yield* softToken
    const scripted = yield* Effect.acquireRelease(
      Effect.sync(() => scriptedModule(token.modulePath)),
      (module) => Effect.sync(() => module.cleanup())
    )
    return {
      // A hung signature ends with its host; a short limit keeps the test short.
      ...(yield* moduleMode(token, scripted.modulePath, 1500)),
      logins: () => scripted.calls("C_Login"),
      unplug: () => scripted.unplug("my-token"),
      plug: () => scripted.plug("my-token"),
      hang: () => {
        scripted.set({ C_Sign: { hang: true } })
        return () => scripted.set({ C_Sign: {} })
      }
    }
  })
})
