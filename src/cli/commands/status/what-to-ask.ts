/**
 * The connections and services of a device: from the settings, or, if these are invalid or unreadable, from the sockets
 * of the running services.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import type { ServiceManager } from "../../../actors/connect/services/service-manager.ts"
import { certificateFacts } from "../../../actors/status/certificate-facts.ts"
import { ConfigFileMalformed, type ConfigProtocol, type ReadRefusal } from "../../../messages/config.ts"
import type { Explanation } from "../../../messages/explain/explanation.ts"
import { explain } from "../../../messages/explain.ts"
import { bridgeService, bridgeUnitName } from "../../../messages/installation/bridge-service.ts"
import { serviceSocketDir } from "../../../messages/service-socket.ts"
import type { CloudSettings, Settings } from "../../../messages/settings/resolved-settings.ts"
import { type CloudName, cloudNames } from "../../../messages/settings/setting.ts"
import { NothingConnected, StatusSettingsForbidden } from "../../../messages/status/refusals.ts"
import { readTomlFile } from "../../../platform/toml/toml-file.ts"
import { groupThatMayUse } from "../../../platform/users/user-access.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { openServices } from "../connect/open-services.ts"
import type { AskedService } from "./ask-service.ts"
import type { ConnectionReport } from "./report.ts"

export interface Wanted {
  readonly cloud: CloudName | undefined
  readonly profile: string | undefined
}

export interface AskedConnection extends Omit<ConnectionReport, "state" | "bad" | "service"> {
  readonly service: AskedService
}

export interface WhatToAsk {
  readonly runPath: string
  readonly manager: ServiceManager | undefined
  readonly connections: ReadonlyArray<AskedConnection>
  readonly services: ReadonlyArray<AskedService>
  /** Why the settings were not read, or the service manager is not known. */
  readonly note?: Explanation
}

export const whatToAsk = (
  config: ActorRef<ConfigProtocol>,
  wanted: Wanted,
  configDir: string
): Effect.Effect<WhatToAsk, NothingConnected | StatusSettingsForbidden | ReadRefusal> =>
  bySettings(config, wanted).pipe(
    Effect.matchEffect({
      onSuccess: (read) =>
        read.connections.length > 0 ? Effect.succeed(read) : Effect.fail(new NothingConnected(wanted)),
      onFailure: (failure) => {
        // Not configured; running services do not matter.
        if (wanted.profile !== undefined && (failure._tag === "UnknownProfile" || failure._tag === "ProfileNotUsable"))
          return Effect.fail(failure)
        const path = join(configDir, "tedge.toml")
        const runPath = process.env.TEDGE_RUN_PATH ?? runPathIn(path)
        const isUnknown = runPath === undefined && failure._tag === "ConfigFileMalformed" && failure.path === path
        const reported = isUnknown
          ? new ConfigFileMalformed({ ...failure, runPath: defaultRunPath })
          : withGroupHint(failure)
        const running = bySockets(runPath ?? defaultRunPath, wanted, explain(reported))
        return running.connections.length + running.services.length > 0
          ? Effect.succeed(running)
          : Effect.fail(reported)
      }
    })
  )

const defaultRunPath = "/run"

/** A member of the services' group may read them, so becoming root is not the only fix. */
const withGroupHint = (failure: ReadRefusal): ReadRefusal | StatusSettingsForbidden =>
  failure._tag === "ConfigFileUnreadable" && ["EACCES", "EPERM"].includes(failure.code)
    ? new StatusSettingsForbidden({ path: failure.path, group: groupThatMayUse(failure.path, "r") })
    : failure

const limit = { within: "10 seconds" } as const

const bySettings = (config: ActorRef<ConfigProtocol>, wanted: Wanted): Effect.Effect<WhatToAsk, ReadRefusal> =>
  Effect.gen(function* () {
    const { settings } = yield* config.ask("ReadSettings", { secrets: "optional" }, limit)
    const opened = yield* Effect.result(openServices(settings))
    const manager = Result.getOrUndefined(opened)
    return {
      runPath: settings.run.path,
      manager,
      connections: yield* connectionsOf(config, wanted, settings),
      services: signingService(settings, manager),
      ...(Result.isFailure(opened) && { note: explain(opened.failure) })
    }
  }).pipe(Effect.catchTags({ AskTimeout: Effect.die, PeerDown: Effect.die, Undeliverable: Effect.die }))

const connectionsOf = (config: ActorRef<ConfigProtocol>, { cloud, profile }: Wanted, { installation }: Settings) => {
  if (cloud !== undefined && profile !== undefined)
    return Effect.map(config.ask("ReadCloudSettings", { cloud, profile, secrets: "optional" }, limit), ({ settings }) =>
      configured([settings])
    )
  const isWanted = (one: string | undefined) => profile === undefined || one === profile.toLowerCase()
  return Effect.map(
    Effect.forEach(cloud === undefined ? cloudNames : [cloud], (name) =>
      Effect.map(config.ask("ReadProfiles", { cloud: name, secrets: "optional" }, limit), ({ profiles, leftOut }) => [
        ...configured(profiles.filter((one) => isWanted(one.cloud.profile))),
        ...leftOut
          .filter((one) => one.isConfigured && isWanted(one.profile))
          .map((one) => ({
            cloud: name,
            ...(one.profile !== undefined && { profile: one.profile }),
            service: {
              name: bridgeUnitName(installation, name, one.profile),
              startedBy: undefined,
              failure: one.failure
            }
          }))
      ])
    ),
    (read) => read.flat()
  )
}

const configured = (all: ReadonlyArray<CloudSettings>): ReadonlyArray<AskedConnection> =>
  all.filter(({ cloud }) => cloud.url !== undefined).map(asked)

const asked = (settings: CloudSettings): AskedConnection => {
  const { cloud, certificate, cryptoki } = settings
  const { device, mqtt, profile, name } = cloud
  const isBasic = cloud.authMethod === "basic"
  const facts = isBasic
    ? undefined
    : certificateFacts(device.certPath, cryptoki.mode === "off" ? "file" : "token", certificate.minimumValidityMs)
  const option = profile === undefined ? "" : ` --profile ${profile}`
  return {
    cloud: name,
    ...(profile !== undefined && { profile }),
    ...(mqtt !== undefined && { host: mqtt.host, port: mqtt.port }),
    ...(device.id !== undefined && { device_id: device.id }),
    ...(facts !== undefined && { certificate: facts }),
    service: { name: bridgeService(settings).unit, startedBy: `tedge connect ${name}${option}` }
  }
}

const signingService = (settings: Settings, manager: ServiceManager | undefined): ReadonlyArray<AskedService> => {
  const { mode, socketPath } = settings.cryptoki
  if (mode !== "socket") return []
  const name = "tedge-p11-server"
  return manager?.name === "systemd"
    ? [{ name, startedBy: `systemctl start ${name}`, socketUnit: `${name}.socket`, socketPath }]
    : [{ name, startedBy: name, socketPath }]
}

const bySockets = (runPath: string, wanted: Wanted, note: Explanation): WhatToAsk => {
  const names = socketsIn(serviceSocketDir(runPath))
  const connections = names.flatMap((name): ReadonlyArray<AskedConnection> => {
    const [, cloud, profile] = /^tedge-(?:mapper|bridge)-(c8y|az|aws)(?:@(.+))?$/.exec(name) ?? []
    const named = cloudNames.find((one) => one === cloud)
    if (named === undefined || (wanted.cloud ?? named) !== named || (wanted.profile ?? profile) !== profile) return []
    const service = { name, startedBy: undefined }
    return [{ cloud: named, ...(profile !== undefined && { profile }), service }]
  })
  // The signing service belongs to connections: alone it is not queried for one.
  const isForAll = wanted.cloud === undefined && wanted.profile === undefined
  const services = names.filter((name) => name === "tedge-p11-server" && (isForAll || connections.length > 0))
  return {
    runPath,
    manager: undefined,
    connections,
    services: services.map((name) => ({ name, startedBy: undefined })),
    note
  }
}

const socketsIn = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".sock"))
      .map((name) => name.slice(0, -".sock".length))
      .sort()
  } catch {
    return [] // no service has run yet, or the directory is closed to the user as the settings are
  }
}

const runPathIn = (path: string): string | undefined => {
  const read = readTomlFile(path)
  const run = read.kind === "read" ? read.tree.run : undefined
  return typeof run === "object" && run !== null && "path" in run && typeof run.path === "string" ? run.path : undefined
}
