/** Refusals of the `tedge hsm` commands and `tedge cert create-key-hsm` themselves. */
import { Data } from "effect"
import type { AskFailed } from "../runtime/errors.ts"
import type { ReadRefusal, WriteRefusal } from "./config.ts"
import type { TokenFamily } from "./token-family.ts"
import type { TokenRefusal } from "./token-refusals.ts"

/** The text is not a CKA_ID: hex digits in pairs, spaces or colons between the bytes. */
export class KeyIdInvalid extends Data.TaggedError("KeyIdInvalid")<{
  readonly text: string
  readonly reason: "empty" | "notHex" | "halfByte" | "tooLong"
}> {}

/** Two options that exclude each other. */
export class OptionsExclude extends Data.TaggedError("OptionsExclude")<{
  readonly option: string
  readonly other: string
}> {}

/** An option that requires another one. */
export class OptionNeeds extends Data.TaggedError("OptionNeeds")<{
  readonly option: string
  readonly other: string
}> {}

/** A setting of a cloud or profile names the key to be deleted. */
export class KeyInUse extends Data.TaggedError("KeyInUse")<{
  readonly uri: string
  /** `c8y.profiles.prod.device.key_uri` and the like. */
  readonly settings: ReadonlyArray<string>
}> {}

/** The signing service's own scope could select another key. Nothing was deleted. */
export class OtherKeySelected extends Data.TaggedError("OtherKeySelected")<{ readonly uri: string }> {}

/** The token, or the service, found no such key to delete. */
export class KeyNotDeleted extends Data.TaggedError("KeyNotDeleted")<{ readonly uri: string }> {}

/** The service deleted a key other than the one shown. */
export class OtherKeyDeleted extends Data.TaggedError("OtherKeyDeleted")<{
  readonly uri: string
  readonly deleted: ReadonlyArray<string>
}> {}

/** The signing service's own scope selects another token. Nothing was changed. */
export class OtherTokenSelected extends Data.TaggedError("OtherTokenSelected")<{
  readonly uri: string
  readonly other: string
}> {}

/** The service changed a token other than the one named: it has a new key, or another PIN. */
export class OtherTokenChanged extends Data.TaggedError("OtherTokenChanged")<{
  readonly what: "key" | "PIN"
  readonly uri: string
  /** The key, or the token with the PIN. */
  readonly other: string
}> {}

/** Deleting requires an id or a label. */
export class KeySelectorMissing extends Data.TaggedError("KeySelectorMissing")<{ readonly command: string }> {}

/** The label or the id was given in the URI and as an option. */
export class SelectorGivenTwice extends Data.TaggedError("SelectorGivenTwice")<{ readonly what: "label" | "id" }> {}

/** No token was named, and there is not exactly one. */
export class TokenNotNamed extends Data.TaggedError("TokenNotNamed")<{ readonly candidates: ReadonlyArray<string> }> {}

/** The two entries of the PIN differ. */
export class PinsDiffer extends Data.TaggedError("PinsDiffer")<{ readonly what: "user PIN" | "SO PIN" }> {}

/** The PIN is empty. */
export class PinEmpty extends Data.TaggedError("PinEmpty")<{ readonly what: "user PIN" | "SO PIN" }> {}

/** Initialisation stopped halfway: the token has its label and SO PIN, but no user PIN. */
export class TokenWithoutPin extends Data.TaggedError("TokenWithoutPin")<{
  readonly uri: string
  readonly cause: TokenRefusal | AskFailed
}> {}

/** The outcome of key generation is unknown: the key may be on the token. */
export class KeyOutcomeUnknown extends Data.TaggedError("KeyOutcomeUnknown")<{
  /** Of the key, with its id. */
  readonly uri: string
  /** Undefined: the command was interrupted. */
  readonly cause: TokenRefusal | AskFailed | undefined
}> {}

/** `device.cryptoki.uri` selects another key, so a new one would never be used. No key was created. */
export class NewKeyOutsideScope extends Data.TaggedError("NewKeyOutsideScope")<{
  /** Undefined: that of tedge-p11-server, which does not report it. */
  readonly scope: string | undefined
  /** Its remaining attributes without the key; undefined: none, or it contains a PIN. */
  readonly tokenOnly: string | undefined
  /** The scope of a key, a token or the service. */
  readonly of: "command" | "service"
}> {}

/** An environment variable overrides the setting that the command would write. Nothing was changed. */
export class SettingShadowed extends Data.TaggedError("SettingShadowed")<{
  readonly key: string
  readonly variable: string
}> {}

/** The key is on the token, but the setting that selects it could not be written. */
export class KeyNotSelected extends Data.TaggedError("KeyNotSelected")<{
  readonly uri: string
  /** The setting to write: `device.key_uri`, `c8y.device.key_uri --profile prod`. */
  readonly setting: string
  readonly cause: WriteRefusal | AskFailed
}> {}

/** The key was created, but its URI selects another one. The settings were not changed. */
export class OtherKeyChosen extends Data.TaggedError("OtherKeyChosen")<{ readonly uri: string }> {}

/** The token has the new PIN, but a setting still has the old one. */
export class PinNotStored extends Data.TaggedError("PinNotStored")<{
  readonly keys: ReadonlyArray<string>
  readonly cause: WriteRefusal | ReadRefusal | AskFailed
}> {}

/** The outcome of a PIN change is unknown: the token has the old or the new PIN. */
export class PinOutcomeUnknown extends Data.TaggedError("PinOutcomeUnknown")<{
  readonly uri: string
  /** The settings that have the old PIN. */
  readonly keys: ReadonlyArray<string>
  /** Undefined: the command was interrupted. */
  readonly cause: TokenRefusal | AskFailed | undefined
}> {}

/** The command asks a question, and standard input is closed. */
export class InputClosed extends Data.TaggedError("InputClosed")<{ readonly option: string }> {}

/** No empty token matches; these are already initialised. */
export class TokenInitialised extends Data.TaggedError("TokenInitialised")<{
  readonly tokens: ReadonlyArray<{ readonly uri: string; readonly label: string; readonly family: TokenFamily }>
}> {}

export type HsmRefusal =
  | PinEmpty
  | TokenWithoutPin
  | KeyOutcomeUnknown
  | KeyIdInvalid
  | OptionsExclude
  | OptionNeeds
  | KeyInUse
  | OtherKeySelected
  | KeyNotDeleted
  | OtherKeyDeleted
  | OtherTokenSelected
  | OtherTokenChanged
  | KeySelectorMissing
  | SelectorGivenTwice
  | TokenNotNamed
  | PinsDiffer
  | InputClosed
  | TokenInitialised
  | NewKeyOutsideScope
  | SettingShadowed
  | KeyNotSelected
  | OtherKeyChosen
  | PinNotStored
  | PinOutcomeUnknown
