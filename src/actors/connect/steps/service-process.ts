/**
 * The process of a mapper or bridge as it runs, whoever started it: by its lock, and without one (run.lock_files false) by
 * its command line.
 */
import { join } from "node:path"
import { bridgeUnitName } from "../../../messages/installation/bridge-service.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { isLocked, lockOwner } from "../../../platform/process/lock-owner.ts"
import { variableOf } from "../../../platform/process/recorded-process.ts"
import { runningPrograms } from "../../../platform/process/running-program.ts"

export const serviceProcess = (settings: CloudSettings, unit: string): number | undefined =>
  lockOwner(lockOf(settings, unit)) ?? runningProgram(settings, unit)

/** With `unseen`: something has the lock, and cannot be seen from here. Not while the service may be starting. */
export const serviceHolder = (settings: CloudSettings, unit: string): number | "unseen" | undefined =>
  serviceProcess(settings, unit) ?? (isLocked(lockOf(settings, unit)) ? "unseen" : undefined)

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

/** Empty is as good as unset. */
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
