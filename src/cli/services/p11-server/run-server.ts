/**
 * Runs tedge-p11-server: settings, module, socket, until SIGTERM or SIGINT.
 *
 * Exits with 1 if settings or socket are unusable or the module file cannot be loaded. A failing module or a missing
 * token does not end it: clients get the reason, and it recovers. It listens before the module is loaded: a Ping is
 * answered at once, other requests wait.
 */
import { Duration, Effect, Fiber, Option, Scope } from "effect"
import { defaultLimits } from "../../../actors/cryptoki/settings.ts"
import { activatedDescriptors, listenOnDescriptor } from "../../../actors/p11-server/listening.ts"
import { LogLimit } from "../../../actors/p11-server/log-limit.ts"
import { type ServiceManager, serviceManager } from "../../../actors/p11-server/manager-notifications.ts"
import { Metrics } from "../../../actors/p11-server/metrics.ts"
import { listenOnPath } from "../../../actors/p11-server/socket-path.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../messages/cryptoki.ts"
import { explainCryptokiEvent } from "../../../messages/explain/cryptoki-event.ts"
import { explainLatchForgotten, explainServerEvent } from "../../../messages/explain/p11-server.ts"
import { changingOperations, type P11ServerEvent, type P11ServerProtocol } from "../../../messages/p11-server.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { freeDescriptors } from "../../../platform/process/free-descriptors.ts"
import { lockOwnerOf } from "../../../platform/users/file-owner.ts"
import type { RuntimeEvent } from "../../../runtime/events.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { CommandHandler, CommandInput } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { versionLine } from "../../command-line/help-and-version.ts"
import { serviceOwner } from "../../compose/compose-cryptoki.ts"
import { logText, withActorEvents, withActorLog } from "../../terminal/actor-log.ts"
import {
  type AdjustableLog,
  adjustableLog,
  chosenLogLevel,
  type LogLevelName,
  logStyle,
  parseLogLevel
} from "../../terminal/logging.ts"
import { makeVisible, serveStatus, type Visible } from "../status-service.ts"
import { withTelemetry } from "../telemetry/telemetry.ts"
import { closedFile } from "./closed-file.ts"
import { limitedKind, limitedTokenKinds, logLeftOut } from "./limited-lines.ts"
import { checkModuleFile, lookAtModule } from "./module-look.ts"
import { p11ServerProgram } from "./p11-server-spec.ts"
import { readServerSettings, type ServerSettings } from "./read-settings.ts"
import { actorsAnswer, type Listener, startListener, startTokens, tokensPlace } from "./server-graph.ts"
import { isLatchKept, latchDirectory, logFailure, type ServerFailure } from "./server-log.ts"
import { serverAnswer, writeMetrics } from "./server-metrics.ts"
import { type ServerStatus, serverStatus } from "./server-status.ts"
import { type TokenStatus, tokenStatus } from "./token-status.ts"

/** `untilStopped` completes when the service is to stop, `reloads` each time its settings are to be reloaded. */
interface ServerSignals {
  readonly untilStopped: Effect.Effect<void>
  readonly reloads: Effect.Effect<void>
}

export const runServer =
  (signals: ServerSignals): CommandHandler =>
  (input) => {
    const log = adjustableLog({
      level: logLevel(input, undefined),
      style: logStyle(process.env),
      write: (text) => process.stderr.write(text)
    })
    const visible = makeVisible()
    const telemetry = { service: "tedge-p11-server", version: p11ServerProgram.version }
    return withTelemetry(Effect.scoped(visible.around(serve(input, signals, log, visible))), telemetry).pipe(
      Effect.catch((failure) => Effect.as(logFailure(failure), exitCodes.failed)),
      Effect.annotateLogs({ target: "tedge_p11_server" }),
      withActorLog,
      Effect.provide(log.layer)
    )
  }

/** State of one run. */
interface Service {
  readonly input: CommandInput
  readonly log: AdjustableLog
  readonly manager: ServiceManager
  readonly metrics: Metrics
  readonly status: TokenStatus
  /** For clients of its status socket. */
  readonly shown: ServerStatus
  /** Log lines that clients can cause, except the audit. */
  readonly lines: LogLimit
  /** Otherwise it was logged at the start. */
  readonly latchIsKept: boolean
  /** As last read. */
  settings: ServerSettings
}

const serve = (input: CommandInput, signals: ServerSignals, log: AdjustableLog, visible: Visible) =>
  Effect.gen(function* () {
    yield* Effect.logInfo(`Starting ${versionLine(p11ServerProgram)}`)
    const settings = yield* readServerSettings(input, "start")
    log.setLevel(logLevel(input, settings.logLevel))
    yield* Effect.logInfo(`Using cryptoki configuration cryptoki_config=${configurationText(settings)}`)
    if (activatedDescriptors(process.env, process.pid).length === 0)
      yield* Effect.logInfo(`Using socket path socket_path="${settings.socketPath}"`)
    const latches = latchDirectory(settings.runPath)
    const latchIsKept = isLatchKept(latches)
    if (!latchIsKept) yield* Effect.logWarning(explainLatchForgotten(latches))
    const manager = serviceManager(process.env, process.pid)
    const lines = new LogLimit()
    const service: Service = {
      input,
      log,
      manager,
      metrics: new Metrics(),
      status: tokenStatus(),
      shown: serverStatus(visible.feed),
      lines,
      latchIsKept,
      settings
    }
    yield* logLeftOut(lines)
    const onRuntimeEvent = (event: RuntimeEvent) =>
      service.status.noteActor(event) ? manager.status(service.status.line()) : Effect.void
    // The address, too: it says when its actor is ready again.
    const place = yield* withActorEvents(tokensPlace, onRuntimeEvent)
    // Ends after the listener, also when the tokens are started later than that.
    const scope = yield* Scope.fork(yield* Effect.scope)
    const start = Scope.provide(
      withActorEvents(
        Effect.suspend(() => startTokens(place, cryptokiSettings(service), (event) => onCryptokiEvent(service, event))),
        onRuntimeEvent
      ),
      scope
    )
    const tokens: Tokens = { ref: place.ref, start, scope }
    const isOpen = settings.policy.unread === undefined
    if (isOpen) yield* checkModuleFile(settings)
    if (isOpen) yield* start
    const listener = yield* listen(service, place.ref)
    const looking = yield* Effect.forkScoped(isOpen ? Effect.result(lookAtModule(service, place.ref)) : Effect.never)
    // Ready when the tokens are there. A slow module does not delay that for long; its outcome is logged later.
    const looked = Effect.raceFirst(Fiber.join(looking), Effect.as(signals.untilStopped, undefined))
    const outcome = Option.getOrUndefined(yield* Effect.timeoutOption(looked, isOpen ? "5 seconds" : "0 seconds"))
    if (outcome?._tag === "Failure") return yield* Effect.fail(outcome.failure)
    yield* serveStatus(visible, {
      name: "tedge-p11-server",
      runPath: settings.runPath,
      parts: () => service.shown.parts(listener.server, () => service.settings),
      answer: serverAnswer(service.metrics, listener.server)
    })
    yield* manager.ready
    yield* manager.status(service.status.line())
    yield* look(service, signals, tokens, listener)
    const late = Effect.flatMap(Fiber.join(looking), (result) =>
      result._tag === "Failure" ? Effect.fail(result.failure) : Effect.never
    )
    const stopped = Effect.as(signals.untilStopped, exitCodes.ok as number)
    const gaveUp = Effect.as(listener.gaveUp, exitCodes.failed as number)
    const code = yield* Effect.raceFirst(Effect.raceFirst(stopped, gaveUp), late)
    yield* Effect.logInfo("shutting down: answering accepted requests first")
    yield* manager.stopping
    return code
  })

interface Tokens {
  readonly ref: ActorRef<CryptokiProtocol>
  /** With the settings as last read. */
  readonly start: Effect.Effect<void>
  readonly scope: Scope.Scope
}

/** Background work of the server. */
const look = (
  service: Service,
  signals: ServerSignals,
  tokens: Tokens,
  { server }: Listener
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { manager } = service
    yield* Effect.forkScoped(
      manager.watchdog(
        Effect.suspend(() =>
          actorsAnswer(service.settings.policy.unread === undefined ? tokens.ref : undefined, server)
        )
      )
    )
    const reloading = Effect.gen(function* () {
      yield* signals.reloads
      yield* manager.reloading
      yield* Effect.catch(reload(service, tokens, server), logFailure)
      yield* manager.ready
    })
    yield* Effect.forkScoped(Effect.forever(reloading))
    const { metricsFile } = service.settings
    if (metricsFile !== undefined) yield* writeMetrics(metricsFile, service.metrics, server)
  })

/** Scope and PIN are chosen by the server, with each request and after each reload. */
const cryptokiSettings = (service: Service) => ({
  modulePath: service.settings.modulePath,
  get defaultPin() {
    return service.settings.policy.defaultPin
  },
  program: `tedge-p11-server ${service.settings.configDir}`,
  scope: undefined,
  latchDirectory: latchDirectory(service.settings.runPath),
  latchOwner: serviceOwner(service.settings.configDir, service.settings.serviceUser),
  limits: defaultLimits,
  idleHostEnds: false,
  keepPollingMs: Duration.toMillis("1 minute"),
  environment: process.env,
  hostUser: service.settings.hostUser
})

const listen = (service: Service, cryptoki: ActorRef<CryptokiProtocol>) =>
  Effect.gen(function* () {
    const { socketPath: path, socketMode: mode, socketGroup: group, policy } = service.settings
    const lockOwner = lockOwnerOf(service.settings.serviceUser)
    const publish = (event: P11ServerEvent) => onServerEvent(service, event)
    const [descriptor, ...others] = activatedDescriptors(process.env, process.pid)
    if (others.length > 0) yield* Effect.logWarning("systemd passed several sockets: using the first")
    const isOwnSocket = descriptor === undefined
    const where = isOwnSocket ? listenOnPath({ path, mode, group, lockOwner, publish }) : listenOnDescriptor(descriptor)
    const descriptors = Math.max(0, (freeDescriptors() ?? Number.POSITIVE_INFINITY) - keptDescriptors)
    const spec = {
      listen: where,
      cryptoki,
      policy,
      ownUid: process.getuid?.() ?? 0,
      publish,
      closedFile: () => closedFile(service.settings),
      descriptors
    }
    const listener = yield* startListener(spec, { isOwnSocket })
    yield* Effect.logInfo(`Server listening listener=Some("${isOwnSocket ? path : `descriptor ${descriptor}`}")`)
    return listener
  })

/** Reserve for token hosts, reloaded settings, the status socket, and clients that are rejected immediately. */
const keptDescriptors = 20

const onCryptokiEvent = (service: Service, event: CryptokiEvent): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { metrics, status, shown, manager, lines } = service
    if (event._tag === "LatchNotKept" && !service.latchIsKept) return
    yield* shown.onToken(event)
    metrics.recordToken(event)
    if (status.note(event)) yield* manager.status(status.line())
    const kind = limitedTokenKinds[event._tag]
    if (kind === undefined || lines.admits(kind)) yield* logText(explainCryptokiEvent(event))
  })

const onServerEvent = ({ metrics, shown, log, lines }: Service, event: P11ServerEvent): Effect.Effect<void> => {
  metrics.record(event)
  const noted = shown.onRequest(event, "uri" in event ? metrics.tokenIn(event.uri) : "")
  const isQuiet = event._tag === "RequestServed" && !changingOperations.includes(event.operation)
  if (isQuiet && !log.writes("debug")) return noted
  const kind = limitedKind(event)
  return kind === undefined || lines.admits(kind) ? Effect.andThen(noted, logText(explainServerEvent(event))) : noted
}

/** All or nothing: if one part cannot be read, nothing changes. */
const reload = (
  service: Service,
  tokens: Tokens,
  server: ActorRef<P11ServerProtocol>
): Effect.Effect<void, ServerFailure> =>
  Effect.gen(function* () {
    const settings = yield* readServerSettings(service.input, "reload", { mustBeThere: service.settings.files })
    const wasClosed = service.settings.policy.unread !== undefined
    if (!wasClosed) yield* server.ask("Reload", settings.policy, { within: "10 seconds" })
    service.settings = settings
    if (wasClosed) {
      yield* tokens.start
      // Requests report a module that cannot be loaded.
      yield* Effect.forkIn(Effect.catch(lookAtModule(service, tokens.ref), logFailure), tokens.scope)
      yield* server.ask("Reload", settings.policy, { within: "10 seconds" })
    }
    service.log.setLevel(logLevel(service.input, settings.logLevel))
    yield* Effect.logInfo("settings reloaded")
  })

/** `inFile`: tedge.toml has a lower precedence than option and variable. */
const logLevel = (input: CommandInput, inFile: LogLevelName | undefined): LogLevelName =>
  chosenLogLevel({
    option: parseLogLevel(input.text("log-level") ?? ""),
    debug: false,
    environment: process.env,
    fallback: inFile ?? "info"
  })

/** In the words of the original's log. */
const configurationText = ({ modulePath, policy: { scope } }: ServerSettings): string => {
  const uri = scope === undefined ? "None" : `Some("${shownUri(scope)}")`
  return `CryptokiConfigDirect { module_path: "${modulePath}", pin: "[REDACTED]", uri: ${uri} }`
}
