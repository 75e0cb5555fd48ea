/**
 * One run of tedge-p11-server: settings, token, socket, until SIGTERM or SIGINT.
 *
 * Option, environment, tedge.toml, default: in this order. SIGHUP reads PIN and scope again for requests to come.
 */
import { Effect, Redacted, type Scope } from "effect"
import { p11ServerBehaviour } from "../../actors/p11-server/p11-server-actor.ts"
import { type ServiceManager, serviceManager } from "../../actors/p11-server/service-manager.ts"
import { activatedDescriptors, listenOnDescriptor } from "../../actors/p11-server/socket-activation.ts"
import { listenOnPath } from "../../actors/p11-server/socket-path.ts"
import type { ConfigProtocol, ReadRefusal } from "../../messages/config.ts"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import { explainCryptokiEvent } from "../../messages/explain/cryptoki-event.ts"
import { explainListen, explainServerEvent } from "../../messages/explain/p11-server.ts"
import { type Explanation, explain, type Failure } from "../../messages/explain.ts"
import {
  defaultServerLimits,
  ListenFailed,
  type P11ServerEvent,
  type P11ServerPolicy,
  type P11ServerProtocol
} from "../../messages/p11-server.ts"
import { printPkcs11Uri } from "../../messages/pkcs11-uri.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
import { CryptokiOff, type ModuleNotLoaded, type TokenRefusal } from "../../messages/token-refusals.ts"
import * as Actor from "../../runtime/actor.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { CommandHandler, CommandInput } from "../command-spec.ts"
import { startConfigActor } from "../compose-config.ts"
import { startCryptokiActor } from "../compose-cryptoki.ts"
import { exitCodes } from "../exit-codes.ts"
import { logText } from "../log-text.ts"
import { p11ServerProgram } from "../p11-server-spec.ts"

/** `untilStopped` answers when the service is to end, `reloads` each time its settings are to be read again. */
export interface ServerSignals {
  readonly untilStopped: Effect.Effect<void>
  readonly reloads: Effect.Effect<void>
}

export const runServer =
  (signals: ServerSignals): CommandHandler =>
  (input) =>
    Effect.scoped(serve(input, signals)).pipe(
      Effect.as(exitCodes.ok as number),
      Effect.catch((failure) => Effect.as(logFailure(failure), exitCodes.failed)),
      Effect.annotateLogs({ target: "tedge_p11_server" })
    )

type ServerFailure = ReadRefusal | AskFailed | TokenRefusal | ListenFailed

const serve = (input: CommandInput, signals: ServerSignals): Effect.Effect<void, ServerFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.logInfo(`Starting tedge-p11-server ${p11ServerProgram.version}`)
    const config = yield* startConfigActor(input, settingsOf(input))
    const settings = yield* readSettings(config)
    yield* Effect.logInfo(`Using cryptoki configuration cryptoki_config=${configurationText(settings)}`)
    const cryptoki = yield* startCryptokiActor({
      settings,
      environment: process.env,
      lifetime: "server",
      publish: (event) => logText(explainCryptokiEvent(event))
    })
    const server = yield* startServer(settings, cryptoki)
    const manager = serviceManager(process.env, process.pid)
    yield* manager.ready
    yield* Effect.forkScoped(manager.watchdog(cryptoki.ask("Ping", undefined, { within: "10 seconds" })))
    const reload = Effect.gen(function* () {
      yield* manager.reloading
      yield* Effect.catch(reloadPolicy(config, server), logFailure)
      yield* manager.ready
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(signals.reloads, reload)))
    yield* Effect.raceFirst(signals.untilStopped, lookAtTokens(cryptoki, manager))
    yield* manager.stopping
  })

/** A module that cannot be used ends the service at once; tokens may come later. Never ends otherwise. */
const lookAtTokens = (
  cryptoki: ActorRef<CryptokiProtocol>,
  manager: ServiceManager
): Effect.Effect<never, ModuleNotLoaded> =>
  cryptoki.ask("ListTokens", undefined, { within: "2 minutes" }).pipe(
    Effect.flatMap((tokens) => manager.status(`tokens: ${tokens.map(({ label }) => label).join(", ") || "none"}`)),
    Effect.catch((failure) => (failure._tag === "ModuleNotLoaded" ? Effect.fail(failure) : logFailure(failure))),
    Effect.andThen(Effect.never)
  )

/** The options, as the settings they stand for. */
const settingsOf = (input: CommandInput): Readonly<Record<string, string | undefined>> => {
  const pin = input.given("pin") ? input.secret("pin") : undefined
  const given = (option: string): string | undefined => (input.given(option) ? input.text(option) : undefined)
  return {
    "device.cryptoki.socket_path": given("socket-path"),
    "device.cryptoki.module_path": given("module-path"),
    "device.cryptoki.uri": given("uri"),
    "device.cryptoki.pin": pin && Redacted.value(pin)
  }
}

/** The service is the module's side, whatever mode the device's own tools use. */
const readSettings = (config: ActorRef<ConfigProtocol>): Effect.Effect<Settings, ServerFailure> =>
  Effect.gen(function* () {
    const { settings } = yield* config.ask("ReadSettings", undefined, { within: "30 seconds" })
    if (settings.cryptoki.modulePath === undefined)
      return yield* new CryptokiOff({ missing: "device.cryptoki.module_path" })
    return { ...settings, cryptoki: { ...settings.cryptoki, mode: "module" } }
  })

/** In the words of the original's log. */
const configurationText = ({ cryptoki }: Settings): string => {
  const uri = cryptoki.uri === undefined ? "None" : `Some("${printPkcs11Uri(cryptoki.uri, { pin: "redacted" })}")`
  return `CryptokiConfigDirect { module_path: "${cryptoki.modulePath}", pin: "[REDACTED]", uri: ${uri} }`
}

const startServer = (settings: Settings, cryptoki: ActorRef<CryptokiProtocol>) =>
  Effect.gen(function* () {
    const publish = (event: P11ServerEvent) => logText(explainServerEvent(event))
    const path = settings.cryptoki.socketPath
    const [descriptor, ...others] = activatedDescriptors(process.env, process.pid)
    if (others.length > 0) yield* Effect.logWarning("systemd handed over several sockets: the first is used")
    const listen =
      descriptor === undefined ? listenOnPath({ path, mode: socketMode, publish }) : listenOnDescriptor(descriptor)
    const server = yield* Actor.start({
      name: "p11-server",
      mailbox: { capacity: 64, overflow: { policy: "refuse" } },
      behaviour: p11ServerBehaviour({
        listen,
        cryptoki,
        policy: policyOf(settings),
        ownUid: process.getuid?.() ?? 0,
        publish
      })
    })
    yield* Effect.logInfo(
      `Server listening listener=Some("${descriptor === undefined ? path : `descriptor ${descriptor}`}")`
    )
    return server
  })

/** Its user and group: whoever may open the socket may sign. */
const socketMode = 0o660

const policyOf = ({ cryptoki }: Settings): P11ServerPolicy => ({
  scope: cryptoki.uri,
  defaultPin: cryptoki.pin,
  rules: [],
  limits: defaultServerLimits
})

const reloadPolicy = (config: ActorRef<ConfigProtocol>, server: ActorRef<P11ServerProtocol>) =>
  Effect.gen(function* () {
    yield* server.ask("Reload", policyOf(yield* readSettings(config)), { within: "10 seconds" })
    yield* Effect.logInfo("settings read again")
  })

const logFailure = (failure: ServerFailure): Effect.Effect<void> => {
  const { error, hint } = sentence(failure)
  return Effect.logError(hint === undefined ? error : `${error}; ${hint}`)
}

const sentence = (failure: ServerFailure): Explanation =>
  failure instanceof ListenFailed ? explainListen(failure) : explain(failure satisfies Failure)
