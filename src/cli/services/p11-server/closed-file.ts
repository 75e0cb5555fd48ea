/**
 * The file of the PKCS#11 module that is not accessible to the process that loads it, as the kernel decides: a sandbox makes
 * directories read-only whatever their mode, and root without capabilities has no more rights than others.
 *
 * Source: access(2), which uses the real user id.
 */
import { accessSync, constants } from "node:fs"
import { type ModuleFile, moduleFiles } from "../../../actors/cryptoki/host/module-files.ts"
import { withTpmStore } from "../../../actors/cryptoki/host/tpm-store.ts"
import type { ClosedFile } from "../../../messages/token-refusals.ts"
import { codeOf } from "../../../platform/process/error-code.ts"
import { userName } from "../../../platform/users/accounts.ts"
import { closedTo } from "../../../platform/users/user-access.ts"
import type { ServerSettings } from "./read-settings.ts"

type Loading = Pick<ServerSettings, "modulePath" | "hostUser" | "configDir">

/** Undefined: none. Tokens count if all of them are closed. */
export const closedFile = ({ modulePath, hostUser, configDir }: Loading): ClosedFile | undefined => {
  const home = hostUser?.home ?? process.env.HOME ?? "/"
  // A closed store of a TPM is not used by the module: `isOther` keeps it.
  const environment = withTpmStore(process.env, { modulePath, home, configDir, isOther: true })
  const files = moduleFiles(modulePath, environment, home)
  const user = hostUser?.name ?? userName(process.getuid?.() ?? 0)
  const closedOf = (file: ModuleFile): ClosedFile | undefined => {
    const other = hostUser && closedTo(hostUser, file.path, file.needs)
    if (other !== undefined) return { path: other.path, user, code: "EACCES" }
    const code = refusal(file)
    return code === undefined ? undefined : { path: file.path, user, code }
  }
  const tokens = files.filter(({ isToken }) => isToken).map(closedOf)
  const [closed] = files.filter(({ isToken }) => !isToken).flatMap((file) => closedOf(file) ?? [])
  return closed ?? (tokens.every((one) => one !== undefined) ? tokens[0] : undefined)
}

const refusal = ({ path, needs }: ModuleFile): string | undefined => {
  try {
    accessSync(path, modes[needs])
    return undefined
  } catch (error) {
    const code = codeOf(error)
    return refusals.has(code) ? code : undefined
  }
}

const { R_OK, W_OK, X_OK } = constants
const modes = { r: R_OK, rw: R_OK | W_OK, x: X_OK, rwx: R_OK | W_OK | X_OK } as const

/** A missing file is reported by the module. */
const refusals: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"])
