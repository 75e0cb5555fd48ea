/**
 * The checks of `tedge-hsm hsm doctor` about other programs: thin-edge.io's mapper and what starts it, other clients with
 * the device's id in the cloud, and thin-edge.io's certificate renewal.
 */
import { join } from "node:path"
import { Effect } from "effect"
import { isOnlyMarker } from "../../../../actors/connect/mosquitto-conf.ts"
import type { ServiceManager } from "../../../../actors/connect/services/service-manager.ts"
import { serviceHolder, serviceProcess } from "../../../../actors/connect/steps/service-process.ts"
import { hasOwnBridge } from "../../../../actors/connect/steps/thin-edge-mapper.ts"
import { bridgeService, bridgeVariable, instanceName } from "../../../../messages/installation/bridge-service.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { textIfReadable } from "../../../../platform/files/read-file.ts"
import { runCommand } from "../../../../platform/process/run-command.ts"
import { findExecutable } from "../../../compose/installation.ts"
import { openServices } from "../../connect/open-services.ts"
import type { Examination } from "./examination.ts"

export const besideThinEdgeChecks = (examination: Examination, settings: CloudSettings): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { mapper, unit } = bridgeService(settings)
    if (mapper.is === "ours") return
    const services = yield* Effect.orElseSucceed(openServices(settings), () => undefined)
    const looked: Looked = {
      settings,
      services,
      theirs: mapper.unit,
      process: yield* serviceHolder({ settings, services }, mapper.unit),
      ours: { unit, process: yield* serviceProcess({ settings, services }, unit) }
    }
    yield* mapperCheck(examination, looked)
    yield* dropInCheck(examination, looked)
    yield* holdersCheck(examination, looked)
    yield* renewalCheck(examination, looked)
  })

interface Looked {
  readonly settings: CloudSettings
  /** Undefined: system.toml is not usable, which another check reports. */
  readonly services: ServiceManager | undefined
  /** The unit of thin-edge.io's mapper. */
  readonly theirs: string
  /** Its process; `unseen`: the lock is held by a process that is not visible. */
  readonly process: number | "unseen" | undefined
  readonly ours: { readonly unit: string; readonly process: number | undefined }
}

const mapperCheck = ({ pass, fail }: Examination, { settings, theirs, process, services }: Looked) => {
  const name = "mapper of thin-edge.io"
  if (process === undefined)
    return findExecutable("tedge-mapper") === undefined
      ? fail(name, { error: "it is not installed: the bridge forwards messages that nothing maps" })
      : fail(name, { error: `${theirs} does not run`, hint: `tedge reconnect ${wordsOf(settings)}` })
  if (process === "unseen")
    return fail(name, {
      error: `a process that cannot be seen from here runs as ${theirs}: whether it leaves the cloud to us is not known`,
      hint: "run the command as root, where that process runs"
    })
  if (!hasOwnBridge(process)) return pass(name, `${theirs} maps, and leaves the cloud to us (process ${process})`)
  return fail(name, {
    error: `${theirs} (process ${process}) has its built-in bridge: it runs without ${bridgeVariable}=false`,
    hint:
      typeof services?.variables === "object"
        ? `tedge reconnect ${wordsOf(settings)}`
        : `start it with ${bridgeVariable}=false in its environment`
  })
}

/** Only for services that support it. */
const dropInCheck = ({ pass, fail }: Examination, { settings, theirs, services }: Looked) => {
  if (typeof services?.variables !== "object") return Effect.void
  const name = "drop-in of the mapper"
  const path = services.variables.path(theirs)
  return textIfReadable(path)?.includes(`${bridgeVariable}=false`)
    ? pass(name, path)
    : fail(name, {
        error: `${path} is missing: at its next start ${theirs} connects to the cloud itself`,
        hint: `tedge reconnect ${wordsOf(settings)}`
      })
}

/** On this device. Another device with the same id shows in the state of the connection. */
const holdersCheck = ({ pass, fail }: Examination, { settings, theirs, process, ours }: Looked) => {
  const name = "device id in the cloud"
  const marker = join(
    settings.configDir,
    "mosquitto-conf",
    `${instanceName(settings.cloud.name, settings.cloud.profile)}-bridge.conf`
  )
  const holders = [
    ...(ours.process === undefined ? [] : [`${ours.unit} (process ${ours.process})`]),
    ...(typeof process === "number" && hasOwnBridge(process) ? [`${theirs} (process ${process})`] : []),
    ...(isOnlyMarker(textIfReadable(marker) ?? "") ? [] : [`mosquitto, by its bridge in ${marker}`])
  ]
  return holders.length < 2
    ? pass(name, holders.length === 0 ? "used by nothing on this device" : `used by ${holders[0]} alone`)
    : fail(name, {
        error: `${holders.join(" and ")} take the connection from each other`,
        hint: `tedge reconnect ${wordsOf(settings)}`
      })
}

/** thin-edge.io's renewal creates the request itself and reconnects its own bridge. Started by its mapper's unit. */
const renewalCheck = ({ pass, fail }: Examination, { settings, services }: Looked) =>
  Effect.gen(function* () {
    const name = "certificate renewal"
    const { name: cloud, profile } = settings.cloud
    const unit = profile === undefined ? `tedge-cert-renewer@${cloud}` : `tedge-cert-renewer-${cloud}@${profile}`
    const isActive = services && (yield* Effect.orElseSucceed(services.isActive(`${unit}.timer`), () => false))
    if (!isActive) return yield* pass(name, `${unit}.timer does not run`)
    const properties = "--property=ExecStart,ExecStartPost"
    const shown = yield* runCommand(["systemctl", "show", properties, `${unit}.service`], 10_000)
    if (shown.kind === "exited" && shown.stdout.includes("tedge-hsm ") && !thinEdgeCommand.test(shown.stdout))
      return yield* pass(name, `${unit}.service runs tedge-hsm`)
    yield* fail(name, {
      error: `${unit}.timer renews with thin-edge.io's own tedge, which then reconnects without us`,
      hint: `systemctl mask --now ${unit}.timer, or let its service run tedge-hsm (docs/beside-thin-edge.md)`
    })
  })

/** `/usr/bin/tedge reconnect c8y`, and not `tedge-hsm`. */
const thinEdgeCommand = /(^|[\s/='"])tedge\s/m

const wordsOf = ({ cloud: { name, profile } }: CloudSettings): string =>
  profile === undefined ? name : `${name} --profile ${profile}`
