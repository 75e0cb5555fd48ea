/** The exit codes of the commands. */
import type { Failure } from "../../messages/explain.ts"

export const exitCodes = {
  ok: 0,
  /** The command failed; the reason is on stderr. */
  failed: 1,
  /** The command line is not valid: unknown word, option, setting key, value. */
  usage: 2,
  /** Connected, but the pending new certificate was not used. */
  connectedWithOldCertificate: 3,
  /** `tedge status`: something is down. */
  down: 3,
  /** Ended by SIGHUP, as a shell reports it. */
  hungUp: 129,
  /** Ended by SIGINT. */
  interrupted: 130,
  /** Ended by SIGTERM. */
  terminated: 143
} as const

/** Of a command that failed. */
export const codeOfFailure = ({ _tag }: Failure): number =>
  isOfTheCommandLine.includes(_tag) ? exitCodes.usage : exitCodes.failed

/** Failures that are usage errors. */
const isOfTheCommandLine: ReadonlyArray<Failure["_tag"]> = [
  "UnknownSetting",
  "ProfileNotUsable",
  "InvalidPkcs11Uri",
  "KeyIdInvalid",
  "KeySelectorMissing",
  "SelectorGivenTwice",
  "OptionsExclude",
  "OptionNeeds",
  "HostInvalid",
  "DurationInvalid",
  "ListenRefused"
]
