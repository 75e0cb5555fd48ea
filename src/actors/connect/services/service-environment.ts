/**
 * The environment of a service, derived from that of the command that starts it.
 *
 * Every user who may inspect the service sees its environment while it runs: a PIN or password
 * given to one command is removed. So are NODE_OPTIONS and the like: they load code into every Node program.
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

/** Secret settings, which a service does not get this way. */
export const keptOut = (environment: Environment): ReadonlyArray<string> =>
  Object.entries(environment).flatMap(([name, value]) => (value && isSecret(name, value) ? [name] : []))

/** Variables of the command alone: its profile, and what a service manager of the system passed to it. */
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
