/**
 * The environment of a token host: without secrets, variables that load foreign code, and those of this process only.
 *
 * Vendors configure their modules by environment variables (PKCS11SPY, YUBIHSM_PKCS11_CONF, LD_LIBRARY_PATH and many
 * more), so it is a deny-list. Documented in docs/tokens.md, "Environment of the module".
 */
import { noThreadCache, oneArena } from "../../../platform/process/node-options.ts"
import { environmentOf, type UserIds } from "../../../platform/users/become-user.ts"

/** User of a host started by root. */
export interface HostUser extends UserIds {
  /** Modules look for settings and tokens there. */
  readonly home: string
}

export const hostEnvironment = (from: NodeJS.ProcessEnv, user?: HostUser): Record<string, string> => ({
  ...oneArena,
  ...Object.fromEntries(
    Object.entries(user === undefined ? from : environmentOf(from, user)).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && isPassedOn(entry[0]) && !isOfService(entry)
    )
  )
})

/** A user's own tunables are for the module, too: some load only with `glibc.rtld.optional_static_tls`. */
const isOfService = ([name, value]: readonly [string, string | undefined]): boolean =>
  name === "GLIBC_TUNABLES" && value === noThreadCache.GLIBC_TUNABLES

const isPassedOn = (name: string): boolean => {
  const upper = name.toUpperCase()
  if (withheld.has(upper) || withheldPrefixes.some((prefix) => upper.startsWith(prefix))) return false
  return readByModules.has(upper) || !looksSecret.test(upper)
}

const withheld: ReadonlySet<string> = new Set([
  // These load foreign code into every program. LD_LIBRARY_PATH is for a module's own libraries, and is passed on.
  "LD_PRELOAD",
  "LD_AUDIT",
  // For one process, ours (sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5)).
  "NOTIFY_SOCKET",
  "CREDENTIALS_DIRECTORY"
])

/** Of Node, of the service manager, and the settings and secrets of thin-edge, its cloud and its collector. */
const withheldPrefixes = ["NODE_", "UV_", "LISTEN_", "WATCHDOG_", "TEDGE_", "C8Y_", "OTEL_"]

const looksSecret = /PIN|PASSWORD|PASSPHRASE|SECRET|TOKEN/

/** Names that look like secrets but are settings of a module: wolfPKCS11, nShield (Entrust nCore). */
const readByModules: ReadonlySet<string> = new Set([
  "WOLFPKCS11_TOKEN_PATH",
  "CKNFAST_TOKENS_PERSISTENT",
  "CKNFAST_SESSION_TO_TOKEN"
])
