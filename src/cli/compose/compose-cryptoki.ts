/** Chooses the CryptokiActor for the settings: a local module, the signing service's socket, or none. */

import { join } from "node:path"
import { Effect, type Redacted, type Scope } from "effect"
import { cryptokiBehaviour } from "../../actors/cryptoki/cryptoki-actor.ts"
import { withTpmStore } from "../../actors/cryptoki/host/tpm-store.ts"
import type { LatchPlace } from "../../actors/cryptoki/pin/latch-files.ts"
import { socketCryptokiBehaviour } from "../../actors/cryptoki/remote/socket-cryptoki-actor.ts"
import { type CryptokiSettings, defaultLimits, requestMailbox } from "../../actors/cryptoki/settings.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../messages/cryptoki.ts"
import type { ServiceUserUnknown, SystemFileInvalid } from "../../messages/platform.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
import { CryptokiOff } from "../../messages/token-refusals.ts"
import { fileOwner } from "../../platform/users/file-owner.ts"
import { type ServiceAccount, serviceUser } from "../../platform/users/service-user.ts"
import * as Actor from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"

interface CryptokiComposition {
  readonly settings: Settings
  /** Takes precedence over `device.cryptoki.pin` for requests without a PIN: `key_pin` of the process's connection. Read for each. */
  readonly pin?: Redacted.Redacted<string> | undefined
  readonly environment: NodeJS.ProcessEnv
  readonly publish: (event: CryptokiEvent) => Effect.Effect<void>
  /** Short-lived commands do not wait for tokens to come back. The server keeps its token hosts. */
  readonly lifetime: "command" | "mapper" | "server"
  /** Called for each call of the module. */
  readonly onCall?: CryptokiSettings["onCall"]
}

export const startCryptokiActor = (
  composition: CryptokiComposition
): Effect.Effect<ActorRef<CryptokiProtocol>, never, Scope.Scope> =>
  Actor.start({ name: "cryptoki", mailbox: requestMailbox, behaviour: behaviourFor(composition) })

export const behaviourFor = (composition: CryptokiComposition): Actor.Behaviour<CryptokiProtocol> => {
  const { settings, environment, publish, lifetime } = composition
  const { cryptoki } = settings
  if (cryptoki.mode === "off") return refusing(new CryptokiOff({ missing: "device.cryptoki.mode" }))
  const latches = { directory: join(settings.run.path, "tedge-pin-latch"), owner: serviceOwner(settings.configDir) }
  if (cryptoki.mode === "socket")
    return socketCryptokiBehaviour({ socketPath: cryptoki.socketPath, latches, wakesService: lifetime === "mapper" })
  if (cryptoki.modulePath === undefined) return refusing(new CryptokiOff({ missing: "device.cryptoki.module_path" }))
  const user = hostUser(settings.configDir)
  if ("failure" in user) return refusing(user.failure)
  const pinOfEnvironment = environment.TEDGE_DEVICE_CRYPTOKI_PIN ? "environment" : "device.cryptoki.pin"
  const pinPlace = composition.pin ? "key_pin" : pinOfEnvironment
  const module: CryptokiSettings = {
    modulePath: cryptoki.modulePath,
    get defaultPin() {
      return composition.pin ?? cryptoki.pin
    },
    // Commands and mappers have the same settings, unless the environment of one differs.
    program: `tedge ${settings.configDir} ${pinPlace}`,
    // The server narrows each request itself, so that a reload and rules for users count.
    scope: lifetime === "server" ? undefined : cryptoki.uri,
    latchDirectory: latches.directory,
    latchOwner: latches.owner,
    limits: defaultLimits,
    idleHostEnds: lifetime === "mapper",
    keepPollingMs: keepPollingMs[lifetime],
    environment: withTpmStore(environment, {
      modulePath: cryptoki.modulePath,
      home: user.account?.home ?? environment.HOME ?? "/",
      configDir: settings.configDir,
      isOther: user.account !== undefined
    }),
    hostUser: user.account,
    onCall: composition.onCall
  }
  return cryptokiBehaviour(module, { publish })
}

/** How long after the last request a missing token is polled for: the bridge may wait as long before it retries. */
const keepPollingMs = { command: 0, mapper: 600_000, server: 60_000 } as const

/** Commands run by root and the services share the record of refused PINs. */
export const serviceOwner = (configDir: string, user = serviceUser(configDir)): LatchPlace["owner"] => {
  const owner = fileOwner(configDir, user)
  return owner.kind === "owner" ? owner : undefined
}

/**
 * The user that root's token hosts switch to: the module comes from a file that this user may write, and missing
 * permissions show when the command runs, not when the service does. Undefined: the current user.
 */
export const hostUser = (
  configDir: string,
  user = serviceUser(configDir)
): { readonly account: ServiceAccount | undefined } | { readonly failure: ServiceUserUnknown | SystemFileInvalid } => {
  if (user.kind === "unusable") return { failure: user.failure }
  return { account: user.kind === "user" && user.uid !== 0 ? user : undefined }
}

/** Refuses every request, because the settings configure no token. */
const refusing = (failure: CryptokiOff | ServiceUserUnknown | SystemFileInvalid): Actor.Behaviour<CryptokiProtocol> => {
  const refuse = () => Effect.fail(failure)
  return {
    init: () =>
      Effect.succeed({
        Ping: () => Effect.void,
        ChooseScheme: refuse,
        Sign: refuse,
        PublicKey: refuse,
        ListTokens: refuse,
        ListKeys: refuse,
        CreateKey: refuse,
        InitToken: refuse,
        ChangePin: refuse,
        DeleteKey: refuse,
        ClearPinLatch: refuse
      })
  }
}
