/** The fake token keeps the promises of a real one, so that tests may stand on it. */
import { Effect } from "effect"
import type { CryptokiEvent, CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import { start } from "../../../src/runtime/actor.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"
import { describeCryptoki } from "./contract.ts"

describeCryptoki({
  name: "fake token",
  can: ["events", "logins", "unplug", "hang"],
  start: Effect.gen(function* () {
    const events: Array<CryptokiEvent> = []
    const token = fakeToken({ label: "my-token", onEvent: (event) => events.push(event) })
    const publicKeyPem = token.addKey("my-key", "01")
    const cryptoki = yield* start<CryptokiProtocol, never, never>({
      name: "cryptoki",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } },
      behaviour: token.behaviour
    })
    return {
      cryptoki,
      publicKeyPem,
      events: () => events,
      addKey: token.addKey,
      logins: token.logins,
      unplug: token.unplug,
      plug: token.plug,
      hang: () => {
        token.state.hang = true
        return () => {
          token.state.hang = false
        }
      }
    }
  })
})
