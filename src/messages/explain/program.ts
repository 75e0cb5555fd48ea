/** Sentences for programs that use the library: the same errors, with hints that name its options instead of our commands. */

import type { AskFailed } from "../../runtime/errors.ts"
import type { CryptokiEvent } from "../cryptoki.ts"
import { explain } from "../explain.ts"
import type { InvalidPkcs11Uri } from "../pkcs11-uri.ts"
import type { AddonNotLoaded } from "../platform.ts"
import type { PinRejected, TokenRefusal } from "../token-refusals.ts"
import type { Explanation } from "./explanation.ts"

export type ProgramFailure = TokenRefusal | AskFailed | InvalidPkcs11Uri | AddonNotLoaded

export const explainToProgram = (failure: ProgramFailure): Explanation => {
  const { error } = explain(failure)
  const hint = hintFor(failure)
  return hint === undefined ? { error } : { error, hint }
}

const hintFor = (failure: ProgramFailure): string | undefined => {
  switch (failure._tag) {
    case "TokenNotFound":
      return failure.present.length === 0
        ? "the module lists no initialised token: check that it is plugged in, and the module's own settings (environment)"
        : `tokens that are present: ${failure.present.join(", ")}`
    case "TokenAmbiguous":
    case "KeyAmbiguous":
      return `pass the uri of one of them: ${failure.candidates.toSorted().join(", ")}`
    case "KeyNotFound":
      return failure.onOtherToken === undefined
        ? "token.keys() lists the keys; private keys show after a login only: check the pin option"
        : `a key like that is on another token: ${failure.onOtherToken.uri}`
    case "PinMissing":
      return "pass the pin option to openToken, or pin-value in the key's uri"
    case "PinRejected":
      return hintForPin(failure)
    case "LoginDelayed":
      return failure.retryInMs === undefined ? "try again later" : `try again in ${failure.retryInMs} ms`
    case "ModuleNotLoaded":
      return failure.reason === "pkcs11jsMissing"
        ? "the optional dependency pkcs11js is not installed: install a C++ compiler, make and python3, then npm install; or use the socket option"
        : "check the module option: an absolute path of a PKCS#11 library for this architecture"
    case "SigningServiceUnreachable":
      return "check the socket option, and that tedge-p11-server runs and lets this user connect"
    case "PublicKeyUnavailable":
      return "pass the certificate: token.key(uri, { certificate })"
    case "SchemeNotSupported":
      return "key.schemes lists what the key signs with"
    case "InvalidPkcs11Uri":
      return "for example pkcs11:token=my-token;object=my-key (RFC 7512)"
    case "AddonNotLoaded":
      return "install a C compiler and Node's headers, then: npm rebuild tedge-actors"
    case "TokenUnavailable":
    case "TokenHostDied":
    case "TokenTimeout":
    case "TokenActorFailed":
      return "the connection to the token is restored automatically; retry the operation"
    default:
      return undefined
  }
}

const hintForPin = ({ reason }: PinRejected): string => {
  switch (reason) {
    case "incorrect":
    case "latched":
    case "latchedAll":
    case "reserved":
    case "countLow":
    case "unanswered":
      return "no further login is attempted with this PIN, to keep the token from locking; pass the right pin, or call token.clearLatch() once it is right"
    case "locked":
      return "reset the user PIN with the SO PIN"
    case "finalTry":
      return "log in once with another tool (p11tool --login) to reset the counter"
    default:
      return "check the pin option"
  }
}

/** Events a program may want to log; undefined: it gets its own event, or does not need it. */
export const warningFor = (event: CryptokiEvent): string | undefined => {
  switch (event._tag) {
    case "SeveralKeysMatched":
      return `several keys match; using ${event.taken}`
    case "SeveralTokensMatched":
      return `several tokens match; using ${event.taken}`
    case "LatchNotKept":
      return `refused PINs cannot be recorded in '${event.directory}' (${event.code}): every process that starts tries a wrong PIN once, which may lock the token`
    case "LoginUnanswered":
      return `token '${event.token}': a login had an unknown outcome: ${event.detail}`
    case "TokenNearlyFull":
      return `token '${event.token}' holds ${event.keys} key pairs and has memory for few more`
    default:
      return undefined
  }
}
