/** CryptokiActor keeps its promises on real tokens: on SoftHSM2, and on one that is pulled out and hangs. */
import { Effect } from "effect"
import { scriptedModule } from "../../support/token/scripted-module.ts"
import { softhsmToken } from "../../support/token/softhsm.ts"
import { describeCryptoki } from "./contract.ts"
import { moduleMode } from "./contract-module.ts"

const softToken = Effect.acquireRelease(
  Effect.sync(() => {
    const token = softhsmToken({ label: "my-token" })
    return { ...token, addKey: (label: string, id: string) => token.importKey({ label, id }).publicKeyPem }
  }),
  (token) => Effect.sync(() => token.cleanup())
)

describeCryptoki({ name: "SoftHSM2", can: ["events"], start: Effect.flatMap(softToken, (token) => moduleMode(token)) })

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
      ...(yield* moduleMode({ ...token, modulePath: scripted.modulePath }, 1500)),
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
