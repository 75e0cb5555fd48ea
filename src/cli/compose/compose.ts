/** The actors of a `tedge` command: started for it, stopped when its scope closes. */
import { Effect, type Scope } from "effect"
import { connectBehaviour, connectMailbox } from "../../actors/connect/connect-actor.ts"
import { mainMosquittoConf } from "../../actors/connect/read-mosquitto-conf.ts"
import { connectWith } from "../../actors/mqtt/broker-connection.ts"
import { sessionBehaviour, sessionMailbox } from "../../actors/mqtt/session-actor.ts"
import type { CloudSelector, ConnectProtocol, ConnectRefusal, StepEvent } from "../../messages/connect.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../messages/cryptoki.ts"
import { explainCryptokiEvent } from "../../messages/explain/cryptoki-event.ts"
import type { Failure } from "../../messages/explain.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { serviceFiles } from "../../messages/settings/service-files.ts"
import { logFileNotes } from "../../platform/files/atomic-file.ts"
import { giveFile, makeDirectories } from "../../platform/files/given-files.ts"
import { codeOf } from "../../platform/process/error-code.ts"
import { holdsCertificate, holdsPrivateKey } from "../../platform/tls/pem-blocks.ts"
import { fileOwner, ownerIn } from "../../platform/users/file-owner.ts"
import { closedToServices } from "../../platform/users/service-access.ts"
import { serviceUser } from "../../platform/users/service-user.ts"
import * as Actor from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { CommandInput } from "../command-line/command-spec.ts"
import { checkCloud } from "../commands/connect/ask-mapper.ts"
import { openServices } from "../commands/connect/open-services.ts"
import { describeClosed } from "../commands/hsm/token-access.ts"
import type { TokenActors } from "../commands/hsm/token-command.ts"
import { callLog, logText } from "../terminal/actor-log.ts"
import { startConfigActor } from "./compose-config.ts"
import { startCryptokiActor } from "./compose-cryptoki.ts"
import { findExecutable } from "./installation.ts"

/** For the commands about tokens and certificates. The token settings are read once. */
export const startTokenActors = (input: CommandInput): Effect.Effect<TokenActors, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* startConfigActor(input)
    // A command that needs a secret reads the settings once more, and is refused then.
    const { settings } = yield* Effect.catch(config.ask("ReadSettings", { secrets: "optional" }, limit), (failure) =>
      withoutToken.has(input.command)
        ? Effect.mapError(config.ask("ReadCloudSettings", bareOf(input.cloud), limit), () => failure)
        : Effect.fail(failure)
    )
    const publish = (event: CryptokiEvent) => logText(explainCryptokiEvent(event))
    const onCall = yield* callLog
    const cryptoki = yield* startCryptokiActor({
      settings,
      environment: process.env,
      lifetime: "command",
      publish,
      onCall
    })
    const localBroker = yield* startSession(cryptoki)
    return { config, cryptoki, localBroker }
  })

/** They work, or report the error themselves, in any state of the settings. */
const withoutToken: ReadonlySet<string> = new Set(["hsm doctor", "cert show", "cert needs-renewal", "cert remove"])

const startSession = (cryptoki: ActorRef<CryptokiProtocol>) =>
  Actor.start({ name: "session", mailbox: sessionMailbox, behaviour: sessionBehaviour(connectWith(cryptoki)) })

/** The start of `disconnect` and `hsm doctor`, which must work in any state of the settings. */
const bareOf = ({ cloud, profile }: CloudSelector = { cloud: "c8y", profile: undefined }) => ({
  cloud,
  profile,
  bare: true as const
})

const limit = { within: "30 seconds" } as const

/**
 * The token settings are read once; the steps read what they need themselves. `leaves`: the cloud that is only
 * disconnected.
 */
export const startConnectActor = (
  input: CommandInput,
  show: (event: StepEvent) => Effect.Effect<void>,
  leaves: CloudSelector | undefined
): Effect.Effect<ActorRef<ConnectProtocol>, ConnectRefusal, Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* startConfigActor(input)
    const { settings } = yield* leaves === undefined
      ? config.ask(
          "ReadSettings",
          input.command === "connect" && input.on("test") ? { secrets: "optional" } : undefined,
          limit
        )
      : config.ask("ReadCloudSettings", bareOf(leaves), limit)
    const cryptoki = yield* startCryptokiActor({
      settings,
      environment: process.env,
      lifetime: "command",
      onCall: yield* callLog,
      publish: (event) =>
        event._tag === "TokenWaits"
          ? show({ _tag: "Noted", note: { _tag: "TokenWaits", token: event.token } })
          : logText(explainCryptokiEvent(event))
    })
    const session = yield* startSession(cryptoki)
    yield* Effect.suspend(() =>
      Effect.forEach(describeClosed(settings, process.env), (line) => Effect.logWarning(line), { discard: true })
    )
    const giveToService = (path: string) => giveTo(settings.configDir, path)
    // If it cannot be created, the service that needs it reports that.
    const makeForService = (path: string) =>
      Effect.ignore(
        Effect.try({ try: () => makeDirectories(path, { owner: ownerIn(settings.configDir) }), catch: codeOf })
      )
    const peers = {
      config,
      session,
      cryptoki,
      services: openServices,
      checkCloud,
      makeForService,
      show,
      giveToService,
      reportClosed,
      mainMosquittoConf,
      findExecutable
    }
    return yield* Actor.start({ name: "connect", mailbox: connectMailbox, behaviour: connectBehaviour(peers) })
  })

/** Services run as the user of system.toml. Without root, or without such a user, ownership is not changed. */
const giveTo = (configDir: string, path: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const owner = fileOwner(configDir)
    if (owner.kind !== "owner") return
    const gift = { owner, trusted: configDir, holds: (text: string) => holdsCertificate(text) || holdsPrivateKey(text) }
    const given = yield* Effect.result(Effect.try({ try: () => giveFile(path, gift), catch: codeOf }))
    yield* given._tag === "Success"
      ? logFileNotes(path, given.success)
      : Effect.logWarning(`Failed to change ownership of '${path}' to ${owner.name}: ${given.failure}`)
  })

/** Reports here, not in a service's log, what root can read and the services cannot. */
const reportClosed = (settings: CloudSettings): Effect.Effect<void> =>
  Effect.suspend(() => {
    const user = serviceUser(settings.configDir)
    const closed = user.kind === "user" ? closedToServices(user, serviceFiles(settings)) : []
    return Effect.forEach(closed, ({ path, note }) => logFileNotes(path, [note]), { discard: true })
  })
