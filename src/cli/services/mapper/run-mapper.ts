/**
 * Runs a mapper: settings, lock, actors, until a signal or a failure ends it.
 *
 * Invalid settings or a held lock end it immediately with 1; a missing token or an unreachable cloud does not.
 */
import { join } from "node:path"
import { Effect, Scheduler, type Scope } from "effect"
import { connectWith } from "../../../actors/mqtt/broker-connection.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../messages/cryptoki.ts"
import { explainCryptokiEvent } from "../../../messages/explain/cryptoki-event.ts"
import { logLine } from "../../../messages/explain/explanation.ts"
import { explainServerStart } from "../../../messages/explain/p11-server.ts"
import { explain, type Failure } from "../../../messages/explain.ts"
import { bridgeService, bridgeUnitName } from "../../../messages/installation/bridge-service.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { acquireFileLock } from "../../../platform/files/file-lock.ts"
import { makeDirectories } from "../../../platform/files/given-files.ts"
import { lockOwnerIn } from "../../../platform/users/file-owner.ts"
import { Channel } from "../../../runtime/channel.ts"
import { turnScheduler } from "../../../runtime/primitives/turn-scheduler.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { StopReport } from "../../../runtime/supervision.ts"
import type { CommandHandler, CommandInput } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { startConfigActor } from "../../compose/compose-config.ts"
import { behaviourFor } from "../../compose/compose-cryptoki.ts"
import { logText } from "../../terminal/actor-log.ts"
import { processTerminal } from "../../terminal/terminal.ts"
import { refuseUnusableCredential } from "../pin-file.ts"
import { makeVisible, serveStatus, type Visible } from "../status-service.ts"
import { withTelemetry } from "../telemetry/telemetry.ts"
import { logGraphWhenAsked, treeText } from "./graph-text.ts"
import { livePin } from "./live-pin.ts"
import { mapperAnswer } from "./mapper-answers.ts"
import { type Mapper, mapperTree, startMapper } from "./mapper-graph.ts"
import { MapperMetrics } from "./mapper-metrics.ts"
import { planMapper } from "./mapper-plan.ts"
import { mapperProgram } from "./mapper-spec.ts"
import { mapperStatus } from "./mapper-status.ts"
import { logMemoryEvery } from "./memory-log.ts"
import { retryWithClock, retryWithNetwork } from "./retry-watches.ts"

/** `untilStopped` completes when the mapper is to stop. */
export const runMapper =
  (untilStopped: Effect.Effect<void>): CommandHandler =>
  (input) => {
    const visible = makeVisible()
    const metrics = new MapperMetrics()
    const service = bridgeUnitName(input.installation.kind, input.command, input.text("profile"))
    const serving = Effect.scoped(visible.around(serve(input, untilStopped, visible, metrics)))
    const telemetry = { service, version: mapperProgram.version }
    return (input.on("graph") ? serving : withTelemetry(serving, telemetry, metrics.record)).pipe(
      Effect.catch((failure) =>
        Effect.as(
          Effect.logError(logLine(failure._tag === "PinFileUnusable" ? explainServerStart(failure) : explain(failure))),
          exitCodes.failed
        )
      ),
      Effect.annotateLogs({ target: input.installation.bridgeCommand }),
      Effect.provideService(Scheduler.Scheduler, turnScheduler())
    )
  }

const serve = (input: CommandInput, untilStopped: Effect.Effect<void>, visible: Visible, metrics: MapperMetrics) =>
  Effect.gen(function* () {
    const reading = yield* settingsReader(input)
    const settings = yield* reading
    const showsOnly = input.on("graph")
    if (!showsOnly && !(yield* takeLock(settings))) return exitCodes.failed
    yield* refuseUnusableCredential(settings)
    const plan = yield* planMapper(settings)
    const live = livePin(settings, reading)
    const cryptokiEvents = Channel.make<CryptokiEvent>("cryptoki")
    const shown = mapperStatus(settings, plan, visible.feed)
    const publish = (event: CryptokiEvent) =>
      Effect.andThen(
        logText(explainCryptokiEvent(event)),
        Effect.andThen(shown.onToken(event), cryptokiEvents.publish(event))
      )
    const parts = {
      plan: { ...plan, bridge: { ...plan.bridge, onLink: shown.onLink } },
      cryptoki: behaviourFor({
        settings,
        get pin() {
          return live.pin()
        },
        environment: process.env,
        lifetime: "mapper",
        publish
      }),
      cryptokiEvents,
      connect: (cryptoki: ActorRef<CryptokiProtocol>) => live.dialling(connectWith(cryptoki, shown.onSigned))
    }
    if (showsOnly) return yield* Effect.as(processTerminal().answer(treeText(yield* mapperTree(parts))), exitCodes.ok)
    // None of the parts can fail to start; a failure is a bug of ours.
    const mapper = yield* Effect.orDie(startMapper(parts))
    yield* retryWithNetwork(mapper.cloud)
    yield* retryWithClock(mapper.cloud)
    const name = bridgeService(settings).unit
    yield* serveStatus(visible, {
      name,
      runPath: settings.run.path,
      parts: shown.parts(mapper),
      answer: (question) => mapperAnswer(mapper, name, question, metrics)
    })
    yield* logGraphWhenAsked(mapper)
    yield* logMemoryEvery(settings.run.logMemoryIntervalMs)
    const because = "the PIN in the settings was changed"
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(live.corrected, mapper.cloud.offer("RetryNow", { because })))
    )
    const ended = Effect.as(mapper.awaitExit, "gaveUp" as const)
    const how = yield* Effect.raceFirst(Effect.as(untilStopped, "stopped" as const), ended)
    return how === "stopped" ? yield* finish(mapper) : exitCodes.failed
  })

const finish = (mapper: Mapper) =>
  Effect.gen(function* () {
    yield* Effect.logInfo("shutting down: draining in-flight messages")
    const report: StopReport = yield* mapper.stop("drain")
    if (report.forced.length === 0) return exitCodes.ok
    yield* Effect.logError(`did not stop in time: ${report.forced.join(", ")}`)
    return exitCodes.failed
  })

const settingsReader = (
  input: CommandInput
): Effect.Effect<Effect.Effect<CloudSettings, Failure>, never, Scope.Scope> =>
  Effect.map(startConfigActor(input), (config) => {
    const asked = { cloud: input.command as CloudSettings["cloud"]["name"], profile: input.text("profile") }
    return Effect.map(config.ask("ReadCloudSettings", asked, { within: "30 seconds" }), ({ settings }) => settings)
  })

/** False: another mapper holds it, or that is unknown. Two mappers would take over each other's cloud session. */
const takeLock = (settings: CloudSettings): Effect.Effect<boolean, never, Scope.Scope> => {
  const { run, configDir } = settings
  if (!run.lockFiles) return Effect.succeed(true)
  const service = bridgeService(settings).unit
  const dir = join(run.path, "lock")
  const owner = lockOwnerIn(configDir)
  const make = () => makeDirectories(dir, { owner })
  const made = Effect.ignore(Effect.try({ try: make, catch: () => "told when the lock is taken" }))
  return Effect.andThen(made, acquireFileLock(join(dir, `${service}.lock`), { owner })).pipe(
    Effect.as(true),
    Effect.catch((refusal) =>
      Effect.as(
        Effect.logError(
          refusal._tag === "LockHeld"
            ? `Another instance of ${service} is running.`
            : `${explain(refusal).error}; without a lock ${service} does not start: check that its user may write in ${dir}, or tedge config set run.lock_files false`
        ),
        false
      )
    )
  )
}
