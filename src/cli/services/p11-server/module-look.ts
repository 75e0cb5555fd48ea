/** What the service learns of its module: whether the file is one before it listens, and then whether it can be loaded. */
import { Effect } from "effect"
import type { ServiceManager } from "../../../actors/p11-server/manager-notifications.ts"
import type { CryptokiProtocol } from "../../../messages/cryptoki.ts"
import { ModuleNotLoaded } from "../../../messages/token-refusals.ts"
import { libraryFault } from "../../../platform/native/shared-library.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { ServerSettings } from "./read-settings.ts"
import { logClosed, logFailure } from "./server-log.ts"
import type { ServerStatus } from "./server-status.ts"
import type { TokenStatus } from "./token-status.ts"

/** As far as this process can say: only a token host loads it, perhaps as another user. */
export const checkModuleFile = ({ modulePath, hostUser }: ServerSettings): Effect.Effect<void, ModuleNotLoaded> =>
  Effect.suspend(() => {
    const fault = libraryFault(modulePath)
    return fault === undefined
      ? Effect.void
      : Effect.fail(new ModuleNotLoaded({ path: modulePath, ...fault, user: hostUser?.name }))
  })

/** Fails when the module cannot be loaded at all. */
export const lookAtModule = (
  {
    settings,
    manager,
    status,
    shown
  }: {
    readonly settings: ServerSettings
    readonly manager: ServiceManager
    readonly status: TokenStatus
    readonly shown: ServerStatus
  },
  cryptoki: ActorRef<CryptokiProtocol>
): Effect.Effect<void, ModuleNotLoaded> =>
  Effect.gen(function* () {
    yield* logClosed(settings)
    const listed = yield* Effect.result(cryptoki.ask("ListTokens", undefined, { within: "2 minutes" }))
    if (listed._tag === "Success") {
      const labels = listed.success.filter(({ initialized }) => initialized).map(({ label }) => label)
      status.seen(labels)
      shown.seen(labels)
      yield* manager.status(status.line())
      return yield* Effect.logInfo(`PKCS #11 module loaded module_path="${settings.modulePath}" ${status.line()}`)
    }
    if (listed.failure._tag === "ModuleNotLoaded") return yield* Effect.fail(listed.failure)
    yield* logFailure(listed.failure)
  })
