/** Socket mode keeps the promises of CryptokiActor: a socket client, the signing service, and a fake token behind it. */
import { Effect } from "effect"
import { socketCryptokiBehaviour } from "../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import { start } from "../../../src/runtime/actor.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"
import { served } from "../p11-server/served.ts"
import { describeCryptoki } from "./contract.ts"

describeCryptoki({
  name: "socket mode",
  overWire: true,
  can: ["logins", "unplug", "hang"],
  start: Effect.gen(function* () {
    const token = fakeToken({ label: "my-token" })
    const { socketPath, publicKeyPem } = yield* served({ token })
    const cryptoki = yield* start({
      name: "cryptoki",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } },
      behaviour: socketCryptokiBehaviour({ socketPath, latches: { directory: "/nowhere", owner: undefined } })
    })
    return {
      cryptoki,
      publicKeyPem,
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
