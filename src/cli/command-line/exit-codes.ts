/** With which code a command of ours ends. */
import type { Failure } from "../../messages/explain.ts"

export const exitCodes = {
  ok: 0,
  /** The command was understood and did not come to its end; the sentence is on stderr. */
  failed: 1,
  /** The command line was not understood: unknown word, option, setting key, value. */
  usage: 2,
  /** Connected, but the pending new certificate was not used. */
  connectedWithOldCertificate: 3,
  /** Ended by SIGHUP, as a shell reports it. */
  hungUp: 129,
  /** Ended by SIGINT. */
  interrupted: 130,
  /** Ended by SIGTERM. */
  terminated: 143
} as const

/** Of a command that did not come to its end. */
export const codeOfFailure = ({ _tag }: Failure): number =>
  isOfTheCommandLine.includes(_tag) ? exitCodes.usage : exitCodes.failed

/** They speak of words and values of the command line, and of nothing else. */
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
  "DurationInvalid"
]

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
