/** Converts refusals of the actors to errors of the library. */
import { explainToProgram, type ProgramFailure } from "../messages/explain/program.ts"
import { lacksKey, lacksToken, refusesPin, tellsNoPublicKey } from "../messages/service-fragments.ts"
import type { SigningServiceRefused } from "../messages/token-refusals.ts"
import { TokenError, type TokenErrorCode } from "./token-error.ts"

export const errorOf = (failure: ProgramFailure): TokenError => {
  const { error, hint } = explainToProgram(failure)
  return new TokenError(tokenErrorCode(failure), error, { hint, cause: failure })
}

const tokenErrorCode = (failure: ProgramFailure): TokenErrorCode => {
  if (failure._tag === "PinRejected" && failure.reason === "locked") return "ERR_PIN_LOCKED"
  return (failure._tag === "SigningServiceRefused" && codeOfService(failure)) || codes[failure._tag]
}

/** The service sends text only. */
const codeOfService = (refusal: SigningServiceRefused): TokenErrorCode | undefined => {
  if (refusesPin(refusal)) return "ERR_PIN_REFUSED"
  if (lacksToken(refusal)) return "ERR_TOKEN_NOT_FOUND"
  if (lacksKey(refusal)) return "ERR_KEY_NOT_FOUND"
  return tellsNoPublicKey(refusal) ? "ERR_PUBLIC_KEY_UNKNOWN" : undefined
}

const codes: Readonly<Record<ProgramFailure["_tag"], TokenErrorCode>> = {
  TokenNotFound: "ERR_TOKEN_NOT_FOUND",
  TokenAmbiguous: "ERR_TOKEN_AMBIGUOUS",
  KeyNotFound: "ERR_KEY_NOT_FOUND",
  KeyAmbiguous: "ERR_TOKEN_AMBIGUOUS",
  KeyExists: "ERR_TOKEN_FAILED",
  LabelTaken: "ERR_TOKEN_FAILED",
  UriNotUsable: "ERR_URI_INVALID",
  NameNotUsable: "ERR_URI_INVALID",
  OutsideScope: "ERR_URI_INVALID",
  InvalidPkcs11Uri: "ERR_URI_INVALID",
  PinMissing: "ERR_PIN_MISSING",
  PinRejected: "ERR_PIN_REFUSED",
  LoginDelayed: "ERR_LOGIN_DELAYED",
  LatchNotCleared: "ERR_TOKEN_FAILED",
  ModuleNotLoaded: "ERR_MODULE_NOT_LOADED",
  HostNotStarted: "ERR_TOKEN_UNAVAILABLE",
  TokenActorFailed: "ERR_TOKEN_UNAVAILABLE",
  TokenTimeout: "ERR_TOKEN_TIMEOUT",
  TokenHostDied: "ERR_TOKEN_UNAVAILABLE",
  TokenUnavailable: "ERR_TOKEN_UNAVAILABLE",
  PublicKeyUnavailable: "ERR_PUBLIC_KEY_UNKNOWN",
  SchemeNotSupported: "ERR_SCHEME_NOT_SUPPORTED",
  KeyGenerationUnsupported: "ERR_TOKEN_FAILED",
  OutcomeUnknown: "ERR_TOKEN_FAILED",
  TokenError: "ERR_TOKEN_FAILED",
  CryptokiOff: "ERR_INVALID_OPTION",
  ServiceUserUnknown: "ERR_TOKEN_FAILED",
  SystemFileInvalid: "ERR_TOKEN_FAILED",
  SigningServiceUnreachable: "ERR_SERVICE_UNREACHABLE",
  SigningServiceRefused: "ERR_SERVICE_REFUSED",
  SigningServiceResponseInvalid: "ERR_SERVICE_REFUSED",
  AddonNotLoaded: "ERR_ADDON_NOT_LOADED",
  AskTimeout: "ERR_TOKEN_TIMEOUT",
  PeerDown: "ERR_TOKEN_UNAVAILABLE",
  Undeliverable: "ERR_TOKEN_UNAVAILABLE"
}
