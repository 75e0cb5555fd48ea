/**
 * The checks of `tedge hsm doctor` about the connection: the local broker, the mapper, and whether the cloud accepts
 * the device.
 *
 * A running mapper is asked: a second connection with the device's id would end the first. If none runs, the doctor
 * connects itself, keeps the session queued in the cloud, and acknowledges none of its messages.
 */
import { Effect, Option } from "effect"
import { mosquittoDir } from "../../../../actors/connect/cloud-connection.ts"
import { clouds } from "../../../../actors/connect/clouds.ts"
import { cloudDeviceId } from "../../../../actors/connect/device-id.ts"
import { isIncluded, mainMosquittoConf } from "../../../../actors/connect/read-mosquitto-conf.ts"
import { serviceHolder } from "../../../../actors/connect/steps/service-process.ts"
import { cloudTarget, localTarget } from "../../../../actors/connect/targets.ts"
import { chooseAuth, mqttServicePort } from "../../../../actors/connect/validate.ts"
import { neededSetting } from "../../../../messages/config.ts"
import { explainUnreadDirectory } from "../../../../messages/explain/note.ts"
import { bridgeService } from "../../../../messages/installation/bridge-service.ts"
import {
  type LinkAnswer,
  parseCheckAnswer,
  parseStatusAnswer,
  printQuestion,
  type ServiceQuestion,
  serviceSocketPath
} from "../../../../messages/service-socket.ts"
import { serviceTopics } from "../../../../messages/service-topics.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { shownText } from "../../../../messages/shown-text.ts"
import { askJsonLine } from "../../../../platform/sockets/json-lines-socket.ts"
import { openServices } from "../../connect/open-services.ts"
import type { CommandContext } from "../token-command.ts"
import type { Examination } from "./examination.ts"

type Context = { readonly actors: Pick<CommandContext["actors"], "localBroker"> }

export const connectionChecks = (
  context: Context,
  examination: Examination,
  settings: CloudSettings
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* localBrokerCheck(context, examination, settings)
    yield* brokerFilesCheck(examination, settings)
    const { cloud, profile } = { cloud: clouds[settings.cloud.name], profile: settings.cloud.profile }
    const service = bridgeService(settings).unit
    const words = profile === undefined ? cloud.name : `${cloud.name} --profile ${profile}`
    const path = serviceSocketPath(settings.run.path, service)
    const asked = yield* Effect.result(ask(path, { ask: "status" }, 5_000))
    const status = asked._tag === "Success" ? parseStatusAnswer(asked.success) : undefined
    if (status !== undefined) {
      yield* examination.pass(mapperCheck, `${service} runs (process ${status.pid})`)
      yield* ofMapper(examination, path, service, status.bridge.cloud)
      return
    }
    const services = yield* Effect.orElseSucceed(openServices(settings), () => undefined)
    const holder = yield* serviceHolder({ settings, services }, service)
    if (holder !== undefined) {
      yield* ofSilentMapper(context, examination, settings, {
        service,
        holder,
        why: asked._tag === "Failure" ? asked.failure : "an answer of another version"
      })
      return
    }
    yield* examination.fail(mapperCheck, { error: `${service} does not run`, hint: `tedge connect ${words}` })
    // Without a host, the check of the settings has already failed.
    if (settings.cloud.mqtt !== undefined) yield* ownConnection(context, examination, settings)
  })

const mapperCheck = "mapper"
const connectionCheck = "connection to the cloud"

const ask = (path: string, question: ServiceQuestion, withinMs: number): Effect.Effect<string, string> =>
  Effect.timeoutOrElse(askJsonLine(path, printQuestion(question)), {
    duration: withinMs,
    orElse: () => Effect.fail("no answer in time")
  })

const localBrokerCheck = ({ actors }: Context, { check }: Examination, settings: CloudSettings) => {
  const session = actors.localBroker
  const { clientHost, clientPort } = settings.mqtt
  const opened = Effect.gen(function* () {
    const target = yield* localTarget(settings, { clientId: `tedge-doctor-${process.pid}`, connectWithinMs: 5_000 })
    yield* session.ask("Open", { target }, { within: "6 seconds" })
  })
  return Effect.ensuring(
    check("local broker", opened, () => `${clientHost}:${clientPort}`),
    closed(session)
  )
}

/** If systemd starts mosquitto: the command in system.toml may read anything, and a mosquitto of ours reads our files. */
const brokerFilesCheck = ({ pass, fail }: Examination, settings: CloudSettings) =>
  Effect.gen(function* () {
    const directory = mosquittoDir({ settings })
    const services = yield* Effect.option(openServices(settings))
    const included = isIncluded(directory)
    if (!settings.mqtt.bindEnabled || Option.getOrUndefined(services)?.name !== "systemd" || included === undefined)
      return
    yield* included
      ? pass(brokerFiles, `mosquitto reads ${directory}`)
      : fail(brokerFiles, {
          error: explainUnreadDirectory(directory, mainMosquittoConf),
          hint: "tedge reconnect, once that is done"
        })
  })

const brokerFiles = "files of the local broker"

const closed = (session: Context["actors"]["localBroker"]): Effect.Effect<void> =>
  Effect.ignore(session.ask("Close", undefined, { within: "5 seconds" })) // it ends with the command at the latest

/** The mapper's view of its link, and whether the cloud responds over it. */
const ofMapper = ({ pass, fail }: Examination, path: string, service: string, link: LinkAnswer) =>
  Effect.gen(function* () {
    if (link.state !== "up")
      return yield* fail(connectionCheck, {
        error: `of ${service}: ${link.state}${link.error === undefined ? "" : `: ${shownText(link.error)}`}`,
        ...(link.hint !== undefined && { hint: shownText(link.hint) })
      })
    const said = yield* Effect.option(ask(path, { ask: "check", withinMs: checkMs }, checkMs + 2_000))
    const answer = Option.isSome(said) ? parseCheckAnswer(said.value) : undefined
    if (answer?.ok === true) return yield* pass(connectionCheck, `the cloud answers over the connection of ${service}`)
    const reason = answer?.ok === false && answer.reason !== "" ? `: ${shownText(answer.reason)}` : ""
    return yield* fail(connectionCheck, {
      error: `the cloud does not answer over the connection of ${service}${reason}`,
      hint: "see the log of the mapper"
    })
  })

const checkMs = 10_000

/** Mappers without our socket, or closed to this user: thin-edge's. Only their health message is available. */
const ofSilentMapper = (
  { actors }: Context,
  { pass, fail }: Examination,
  settings: CloudSettings,
  { service, holder, why }: { readonly service: string; readonly holder: number | "unseen"; readonly why: string }
) =>
  Effect.gen(function* () {
    const bridge = serviceTopics(settings.mqtt, `tedge-mapper-bridge-${settings.cloud.topicPrefix}`)
    const heard = Effect.gen(function* () {
      const target = yield* localTarget(settings, { clientId: `tedge-doctor-${process.pid}`, connectWithinMs: 5_000 })
      yield* actors.localBroker.ask("Open", { target }, { within: "6 seconds" })
      yield* actors.localBroker.ask("Subscribe", { filters: [bridge.health], qos: 1 }, { within: "5 seconds" })
      return Buffer.from((yield* actors.localBroker.ask("Next", undefined, { within: "2 seconds" })).payload).toString()
    })
    const health = yield* Effect.option(Effect.ensuring(heard, closed(actors.localBroker)))
    const isUp = Option.isSome(health) && (/"status"\s*:\s*"up"/.test(health.value) || health.value.trim() === "1")
    const runs = holder === "unseen" ? "in a process that cannot be seen from here" : `(process ${holder})`
    yield* pass(mapperCheck, `${service} runs ${runs}`)
    return isUp
      ? yield* pass(
          connectionCheck,
          `the health topic of the bridge says up; the mapper itself cannot be asked (${why})`
        )
      : yield* fail(connectionCheck, {
          error: `the mapper cannot be asked (${why}), and no health topic says that its bridge is up`,
          hint: why === "EACCES" ? "run the command as root, or as the services' user" : "see the log of the mapper"
        })
  })

/** Up to CONNACK: with TLS 1.3 the cloud rejects an untrusted certificate only then. */
const ownConnection = ({ actors }: Context, { check }: Examination, settings: CloudSettings) => {
  const connected = Effect.gen(function* () {
    const { cloud } = settings
    const host = mqttServicePort(settings, yield* neededSetting(`${cloud.prefix}.url`, cloud.mqtt))
    const auth = yield* chooseAuth(settings)
    const deviceId = yield* cloudDeviceId(settings)
    const target = { ...cloudTarget({ settings, deviceId, host, auth }), cleanSession: false }
    yield* actors.localBroker.ask("Open", { target }, { within: "70 seconds" })
    return deviceId
  })
  return Effect.ensuring(
    check(
      connectionCheck,
      connected,
      (deviceId) => `the cloud accepts the device '${shownText(deviceId)}' (connected and disconnected again)`
    ),
    closed(actors.localBroker)
  )
}
