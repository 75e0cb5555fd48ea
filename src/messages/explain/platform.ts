/** Sentences for what the machine lacks, or somebody else holds. */
import { AddonNotLoaded, type PlatformRefusal } from "../platform.ts"
import { type Explanation, inBrackets, quoted } from "./explanation.ts"

const addonPurpose = {
  tls: "TLS with a key in a token",
  unix: "locks, peer credentials and service notification"
} as const

export const explainPlatform = (failure: PlatformRefusal): Explanation => {
  switch (failure._tag) {
    case "AddonNotLoaded":
      return {
        error: `the native add-on for ${addonPurpose[failure.addon]} is missing${inBrackets(failure.reason)}`,
        hint: "install a C compiler and Node's headers, then: npm run build"
      }
    case "SystemFileInvalid":
      if (failure.problem === "untrusted")
        return {
          error: `root does not use '${failure.path}': ${quoted(failure.detail)} can write it, and it decides what root runs`,
          hint: `sudo chown root:root '${failure.path}' && sudo chmod 644 '${failure.path}'`
        }
      return {
        error: `Syntax error in the system config file: ${quoted(failure.detail)}`,
        hint: `Check '${failure.path}' file`
      }
    case "ServiceUserUnknown":
      return {
        error: `the ${failure.what} '${failure.name}' named in '${failure.path}' does not exist`,
        hint: `${failure.what === "user" ? "sudo useradd --system --no-create-home --shell /usr/sbin/nologin" : "sudo groupadd --system"} ${failure.name}`
      }
    case "LockHeld":
      return {
        error: `another instance holds '${failure.path}'${failure.pid === undefined ? "" : ` (process ${failure.pid})`}`,
        hint: failure.pid === undefined ? "end it first" : `end it first: kill ${failure.pid}`
      }
    case "LockUnavailable":
      if (failure.code === "addon")
        return explainPlatform(new AddonNotLoaded({ addon: "unix", reason: failure.detail }))
      return {
        error: `'${failure.path}' cannot be locked: ${failure.code}${inBrackets(failure.detail)}`,
        hint: "check that its directory exists and that this user may write there"
      }
  }
}
