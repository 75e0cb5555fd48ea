/** The service manager of this device: that of system.toml, systemd if it runs, else the built-in one. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { builtInServices } from "../../../actors/connect/services/built-in-services.ts"
import { commandServices } from "../../../actors/connect/services/command-services.ts"
import type { ServiceManager } from "../../../actors/connect/services/service-manager.ts"
import { readInitCommands, systemdCommands } from "../../../actors/connect/services/system-toml.ts"
import { bridgeVariable } from "../../../messages/installation/bridge-service.ts"
import type { ServiceUserUnknown, SystemFileInvalid } from "../../../messages/platform.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { nodeOptions, oneArena } from "../../../platform/process/node-options.ts"
import { type ServiceAccount, serviceUser } from "../../../platform/users/service-user.ts"
import { bundlePath, executablePath, findExecutable } from "../../compose/installation.ts"
import { ownMosquittoConf } from "./own-mosquitto.ts"

export const openServices = (
  settings: Settings
): Effect.Effect<ServiceManager, SystemFileInvalid | ServiceUserUnknown> =>
  Effect.gen(function* () {
    const init = yield* readInitCommands(settings.configDir)
    if (init !== undefined) return commandServices(init)
    // `systemctl --version` also succeeds in containers without a running systemd. Source: sd_booted(3).
    if (existsSync("/run/systemd/system")) return commandServices(systemdCommands)
    const user = serviceUser(settings.configDir)
    if (user.kind === "unusable") return yield* Effect.fail(user.failure)
    return ownServices(settings, user.kind === "user" && user.uid !== 0 ? user : undefined)
  })

const ownServices = (settings: Settings, user: ServiceAccount | undefined): ServiceManager =>
  builtInServices({
    runDir: join(settings.run.path, "tedge-services"),
    logDir: settings.logs.path,
    expected: [join(settings.run.path, "lock")],
    enabledDir: join(settings.configDir, "tedge-services"),
    runner: [process.execPath, ...nodeOptions(), bundlePath("service-runner.cjs")],
    commandOf: (service) => commandOf(settings, service),
    environment: { ...process.env, ...oneArena },
    user
  })

/** Undefined: not installed. */
const commandOf = (settings: Settings, service: string): ReadonlyArray<string> | undefined => {
  const [, kind, cloud, profile] = /^tedge-(mapper|bridge)-([^@]+)(?:@(.+))?$/.exec(service) ?? []
  if (kind !== undefined) {
    const words = ["--config-dir", settings.configDir, cloud ?? "", ...(profile ? ["--profile", profile] : [])]
    if (kind === "bridge") return [...ours("tedge-hsm-bridge"), ...words]
    if (settings.installation === "everything-ours") return [...ours("tedge-mapper"), ...words]
    const theirs = findExecutable("tedge-mapper")
    return theirs === undefined ? undefined : ["/usr/bin/env", `${bridgeVariable}=false`, theirs, ...words]
  }
  const found = findExecutable(service)
  if (found === undefined) return undefined
  return service === "mosquitto"
    ? [found, "-c", ownMosquittoConf(settings)]
    : [found, "--config-dir", settings.configDir]
}

const ours = (program: "tedge-mapper" | "tedge-hsm-bridge"): ReadonlyArray<string> => [
  process.execPath,
  ...nodeOptions(),
  executablePath(program)
]
