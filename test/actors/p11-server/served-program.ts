/**
 * The signing service over a fake token, as a program of its own: for tests that need another process.
 *
 * Arguments: "activated", or the path of the socket. Ends on SIGTERM.
 */
import { Effect } from "effect"
import { activatedDescriptors, listenOnDescriptor } from "../../../src/actors/p11-server/listening.ts"
import { serviceManager } from "../../../src/actors/p11-server/manager-notifications.ts"
import { p11ServerBehaviour } from "../../../src/actors/p11-server/p11-server-actor.ts"
import { listenOnPath } from "../../../src/actors/p11-server/socket-path.ts"
import type { P11ServerEvent } from "../../../src/messages/p11-server.ts"
import { start } from "../../../src/runtime/actor.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"
import { defaultServerLimits } from "./default-limits.ts"

const mailbox = { capacity: 1000, overflow: { policy: "refuse" } } as const
const where = process.argv[2] ?? ""
const publish = (event: P11ServerEvent) => Effect.sync(() => console.log(JSON.stringify(event)))

const program = Effect.gen(function* () {
  const token = fakeToken({ label: "my-token", defaultPin: "123456" })
  token.addKey("my-key", "01")
  const cryptoki = yield* start({ name: "cryptoki", mailbox, behaviour: token.behaviour })
  const [descriptor] = activatedDescriptors(process.env, process.pid)
  const listen =
    where === "activated" && descriptor !== undefined
      ? listenOnDescriptor(descriptor)
      : listenOnPath({ path: where, publish })
  const policy = {
    scope: undefined,
    defaultPin: undefined,
    rules: [],
    limits: { ...defaultServerLimits, readMs: 1000 }
  }
  yield* start({
    name: "p11-server",
    mailbox,
    behaviour: p11ServerBehaviour({ listen, cryptoki, policy, ownUid: 0, publish })
  })
  const manager = serviceManager(process.env, process.pid)
  yield* manager.ready
  yield* manager.status("1 token: my-token")
  yield* Effect.callback<void>((resume) => {
    process.once("SIGTERM", () => resume(Effect.void))
    console.log("ready")
  })
  yield* manager.stopping
})

Effect.runPromise(Effect.scoped(program)).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
