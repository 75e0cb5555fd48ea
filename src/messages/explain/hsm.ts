/** Sentences for refusals of the `tedge hsm` commands and `tedge cert create-key-hsm` themselves. */
import type { HsmRefusal, PinNotStored, TokenWithoutPin } from "../hsm.ts"
import { shownText } from "../shown-text.ts"
import type { TokenFamily } from "../token-family.ts"
import { explainConfig } from "./config.ts"
import { explainAsk } from "./connect.ts"
import { quoted, type Sentences, shellQuoted } from "./explanation.ts"
import { explainToken } from "./token.ts"

export const hsmSentences = {
  KeyIdInvalid: (failure) => {
    const hint = "e.g. --id 010203 or --id '01 02 03'"
    switch (failure.reason) {
      case "empty":
        return { error: "ID must not be empty", hint }
      case "notHex":
        return {
          error: `'${quoted(failure.text)}' is not a valid id: it contains a character that is not a hex digit`,
          hint
        }
      case "halfByte":
        return { error: `'${quoted(failure.text)}' is not a valid id: each byte has two hex digits`, hint }
      case "tooLong":
        return { error: "an id has at most 255 bytes", hint }
    }
  },
  OptionsExclude: (failure) => ({ error: `'${failure.option}' cannot be used with '${failure.other}'` }),
  OptionNeeds: (failure) => ({ error: `'${failure.option}' is for use with '${failure.other}' only` }),
  KeyInUse: (failure) => ({
    error: `Refusing to delete: '${failure.uri}' is the key of ${failure.settings.join(", ")}`,
    hint: `if it is no longer needed: tedge config unset ${failure.settings[0] ?? "device.key_uri"}`
  }),
  OtherKeySelected: (failure) => ({
    error: `tedge-p11-server applies its own device.cryptoki.uri and could delete a key other than '${failure.uri}': nothing was deleted`,
    hint: "leave id and object out of device.cryptoki.uri where the service runs, then: systemctl restart tedge-p11-server"
  }),
  KeyNotDeleted: (failure) => ({
    error: `nothing was deleted: no key matches '${failure.uri}' any more`,
    hint: "list the keys: tedge hsm list-keys"
  }),
  OtherKeyDeleted: (failure) => ({
    error: `a key other than the one shown ('${failure.uri}') was deleted: ${failure.deleted.join(", ")}`,
    hint: "device.cryptoki.uri of tedge-p11-server decided which one; list the remaining keys: tedge hsm list-keys"
  }),
  OtherTokenSelected: (failure) => ({
    error: `tedge-p11-server applies its own device.cryptoki.uri and uses the token '${failure.other}' instead of '${failure.uri}': nothing was changed`,
    hint: "name that token, or change device.cryptoki.uri where the service runs, then: systemctl restart tedge-p11-server"
  }),
  OtherTokenChanged: (failure) =>
    failure.what === "key"
      ? {
          error: `the key was not created on '${failure.uri}' but on another token: '${failure.other}'; the settings were not changed`,
          hint: `device.cryptoki.uri of tedge-p11-server decided which one; to delete the key: tedge hsm delete-key ${shellQuoted(failure.other)}`
        }
      : {
          error: `the user PIN was not changed on '${failure.uri}' but on another token: '${failure.other}'`,
          hint: "device.cryptoki.uri of tedge-p11-server decided which one; change its PIN back, or store the new one where the old one is"
        },
  KeySelectorMissing: (failure) => ({
    error: `which key? '${failure.command}' needs --id, --label, or a URI with id or object`,
    hint: "list the keys with: tedge hsm list-keys"
  }),
  SelectorGivenTwice: (failure) => ({
    error: `the ${failure.what} is in the URI and in --${failure.what}: use only one`
  }),
  TokenNotNamed: (failure) =>
    failure.candidates.length === 0
      ? {
          error: "No token URL was provided for this operation, and there is no initialised token",
          hint: "initialise one: tedge hsm init"
        }
      : {
          error: "No token URL was provided for this operation; the available tokens are:",
          hint: `give one of them as TOKEN:\n${failure.candidates.map((uri) => `  ${shellQuoted(uri)}`).join("\n")}`
        },
  PinsDiffer: (failure) => ({ error: `the ${failure.what} entries differ; nothing was changed` }),
  PinEmpty: (failure) => ({ error: `the ${failure.what} must not be empty; nothing was changed` }),
  TokenWithoutPin: (failure) => ({
    error: `the token was initialised, but has no user PIN yet: ${sentenceOf(failure.cause)}`,
    hint: `give it one: tedge hsm change-pin --reset ${shellQuoted(failure.uri)}`
  }),
  KeyOutcomeUnknown: (failure) => ({
    error: `${failure.cause === undefined ? "interrupted while a key was being created" : sentenceOf(failure.cause)}; the key '${failure.uri}' may be on the token`,
    hint: `check before retrying: tedge hsm list-keys ${shellQuoted(failure.uri)}`
  }),
  InputClosed: (failure) => ({ error: "no answer: standard input is closed", hint: `use ${failure.option}` }),
  TokenInitialised: (failure) => {
    const [first] = failure.tokens
    const names = failure.tokens.map(({ label, uri }) => `'${shownText(label)}' ('${uri}')`).join(", ")
    return {
      error: `Refusing to reinitialize: ${failure.tokens.length > 1 ? "tokens" : "token"} ${names} ${failure.tokens.length > 1 ? "are" : "is"} already initialised`,
      hint: wipeWith[first?.family ?? "other"]
    }
  },
  NewKeyOutsideScope: ({ scope, tokenOnly, of }) => {
    const reload = of === "service" ? ", then: sudo systemctl restart tedge-p11-server" : ""
    return {
      error: `device.cryptoki.uri${of === "service" ? " of tedge-p11-server" : ""} selects another key${
        scope === undefined ? "" : `: '${scope}'`
      }; a new key would never be used, so none was created`,
      hint:
        tokenOnly === undefined
          ? `remove object and id from device.cryptoki.uri${of === "service" ? " of the service" : ""}, or: tedge config unset device.cryptoki.uri${reload}`
          : `tedge config set device.cryptoki.uri ${shellQuoted(tokenOnly)}${reload}`
    }
  },
  SettingShadowed: (failure) => ({
    error: `the environment variable ${failure.variable} overrides the setting ${failure.key}; nothing was changed`,
    hint: `remove it from the environment: unset ${failure.variable}`
  }),
  KeyNotSelected: (failure) => ({
    error: `the key was created but is not selected: ${writeSentence(failure.cause)}`,
    hint: `tedge config set ${failure.setting} ${shellQuoted(failure.uri)}`
  }),
  OtherKeyChosen: (failure) => ({
    error: `the key was created, but another key is selected by its URI '${failure.uri}'; the settings were not changed`,
    hint: "tedge-p11-server narrows URIs by its own device.cryptoki.uri: remove object and id from it, and restart the service"
  }),
  PinNotStored: (failure) => ({
    error: `the token has the new user PIN, and ${failure.keys.join(" and ")} the old one: ${writeSentence(failure.cause)}`,
    hint: failure.keys.map((key) => `tedge config set ${key} <the new PIN>`).join("; ")
  }),
  PinOutcomeUnknown: (failure) => ({
    error: `${failure.cause === undefined ? "interrupted while the PIN was being changed" : sentenceOf(failure.cause)}; token '${failure.uri}' may have the new user PIN already`,
    hint: [
      `test which one is accepted (a wrong one costs a try): tedge hsm list-keys ${shellQuoted(failure.uri)} --pin <the new PIN>`,
      ...failure.keys.map((key) => `then, if it is the new one: tedge config set ${key} <the new PIN>`)
    ].join("; ")
  })
} satisfies Sentences<HsmRefusal>

const writeSentence = (cause: PinNotStored["cause"]): string => {
  switch (cause._tag) {
    case "AskTimeout":
    case "PeerDown":
    case "Undeliverable":
      return explainAsk(cause).error
    default:
      return explainConfig(cause).error
  }
}

/** Some cards come from the factory in a state that their module reports as initialised. */
const wipeWith: Readonly<Record<TokenFamily, string>> = {
  smartCardHsm: "a new card counts as initialised: sc-hsm-tool --initialize sets its PINs and erases its keys",
  piv: "a PIV card is not initialised by this command: change its PIN with ykman piv access change-pin, make keys with ykman piv keys generate",
  opTee: "its keys would be lost; to wipe it: pkcs11-tool --init-token",
  other: "its keys would be lost; to wipe it use the token vendor's tool"
}

const sentenceOf = (cause: TokenWithoutPin["cause"]): string => {
  switch (cause._tag) {
    case "AskTimeout":
    case "PeerDown":
    case "Undeliverable":
      return explainAsk(cause).error
    default:
      return explainToken(cause).error
  }
}
