/**
 * The running process of a mapper or bridge, however it was started: by its lock, or without one (run.lock_files false)
 * by the service manager and its command line.
 */
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { Effect } from "effect"
import { bridgeUnitName } from "../../../messages/installation/bridge-service.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { textIfReadable } from "../../../platform/files/read-file.ts"
import { lockHolder, lockOwner } from "../../../platform/process/lock-owner.ts"
import { variableOf } from "../../../platform/process/recorded-process.ts"
import type { ServiceManager } from "../services/service-manager.ts"

interface Device {
  readonly settings: CloudSettings
  /** Undefined: system.toml is unusable. */
  readonly services: Pick<ServiceManager, "process"> | undefined
}

export const serviceProcess = ({ settings, services }: Device, unit: string): Effect.Effect<number | undefined> =>
  Effect.gen(function* () {
    return (
      lockOwner(lockOf(settings, unit)) ??
      (yield* services === undefined ? Effect.succeed(undefined) : services.process(unit)) ??
      runningProgram(settings, unit)
    )
  })

/** With `unseen`: the lock is held by an invisible process. Not while the service may be starting. */
export const serviceHolder = (device: Device, unit: string): Effect.Effect<number | "unseen" | undefined> =>
  Effect.map(serviceProcess(device, unit), (process) => process ?? unseenHolder(lockOf(device.settings, unit)))

const unseenHolder = (lock: string): "unseen" | undefined => {
  try {
    return lockHolder(lock) === undefined ? undefined : "unseen"
  } catch {
    return undefined // a lock that cannot be opened, or no add-on: unknown
  }
}

const lockOf = ({ run }: CloudSettings, unit: string): string => join(run.path, "lock", `${unit}.lock`)

/** Of the same configuration, cloud and profile. */
const runningProgram = ({ cloud, configDir }: CloudSettings, unit: string): number | undefined => {
  const isMapper = unit === bridgeUnitName("everything-ours", cloud.name, cloud.profile)
  return runningPrograms(isMapper ? "tedge-mapper" : "tedge-hsm-bridge").find((program) => {
    const { words, profile, directory } = mapperArguments(program.arguments)
    const { pid } = program
    return (
      words[0] === cloud.name &&
      (profile ?? setIn(pid, "TEDGE_CLOUD_PROFILE") ?? "") === (cloud.profile ?? "") &&
      (directory ?? setIn(pid, "TEDGE_CONFIG_DIR") ?? "/etc/tedge") === configDir
    )
  })?.pid
}

/** Empty means unset. */
const setIn = (pid: number, name: string): string | undefined => {
  const variable = variableOf(pid, name)
  return variable.kind === "set" && variable.value !== "" ? variable.value : undefined
}

const mapperArguments = (given: ReadonlyArray<string>) => {
  const optionValue = (option: string): string | undefined => {
    const at = given.findIndex((one) => one === option || one.startsWith(`${option}=`))
    return given[at] === option ? given[at + 1] : given[at]?.slice(option.length + 1)
  }
  const isValue = (at: number): boolean => given[at - 1] === "--profile" || given[at - 1] === "--config-dir"
  return {
    words: given.filter((word, at) => !word.startsWith("-") && !isValue(at)),
    profile: optionValue("--profile"),
    directory: optionValue("--config-dir")
  }
}

/**
 * All visible processes of this program (proc_pid_cmdline(5)), with its arguments. Those that only have it as an argument
 * (`sudo`, an editor) do not count.
 */
const runningPrograms = (program: string) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const words = textIfReadable(`/proc/${name}/cmdline`)?.split("\0").slice(0, -1) ?? []
      const at = words.findIndex((word) => basename(word) === program)
      return at === 0 || (at > 0 && isInterpreter(words.slice(0, at)))
        ? [{ pid: Number(name), arguments: words.slice(at + 1) }]
        : []
    })

/** `node --v8-pool-size=1`, before the script. */
const isInterpreter = ([program = "", ...options]: ReadonlyArray<string>): boolean =>
  /^(node|nodejs|python3?|ba?sh|dash|sh)$/.test(basename(program)) && options.every((option) => option.startsWith("-"))
