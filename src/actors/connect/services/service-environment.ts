/**
 * The environment of a service, out of that of the command that starts it.
 *
 * Everybody who may look at the service sees its environment for as long as it runs: a PIN or a password that was
 * given to one command stays out of it. So do NODE_OPTIONS and its like: they load code into every Node program.
 */
import { parseSettingName } from "../../../messages/settings/setting-name.ts"
import { mayHavePin } from "../../../messages/shown-text.ts"

type Environment = Readonly<Record<string, string | undefined>>

export const serviceEnvironment = (environment: Environment): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => !ofTheCommand.has(name) && !name.startsWith("NODE_") && !isSecret(name, value ?? "")
    )
  )

/** The settings that a service does not get this way, since they hold a secret. */
export const keptOut = (environment: Environment): ReadonlyArray<string> =>
  Object.entries(environment).flatMap(([name, value]) => (value && isSecret(name, value) ? [name] : []))

/** What belongs to the command alone: its profile, and what a service manager of the system gave to it. */
const ofTheCommand: ReadonlySet<string> = new Set([
  "TEDGE_CLOUD_PROFILE",
  "NOTIFY_SOCKET",
  "INVOCATION_ID",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "C8Y_PASSWORD",
  "DEVICE_ONE_TIME_PASSWORD"
])

const isSecret = (name: string, value: string): boolean =>
  name.startsWith("TEDGE_") &&
  (parseSettingName(name.slice("TEDGE_".length).toLowerCase())?.setting.secret === true || mayHavePin(value))
