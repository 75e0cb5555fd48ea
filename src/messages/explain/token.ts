/** Sentences for refusals of a token, its module, or the access to it. */
import type { TokenFamily } from "../token-family.ts"
import type { KeyOnOtherToken, ModuleNotLoaded, OutcomeUnknown, TokenRefusal } from "../token-refusals.ts"
import { type Explanation, inBrackets, type Sentences, seconds, sentenceIn, shellQuoted } from "./explanation.ts"
import { explainDelay, explainPin } from "./pin.ts"
import { explainName, whyNoMatch } from "./pkcs11-uri.ts"
import { explainPlatform } from "./platform.ts"
import { explainService } from "./signing-service.ts"
import { closedWords, outsideScopeFragment, seenFragment, unknownFragment } from "./token-fragments.ts"
import { hintForClosedDevice, hintForTimeout, hintForUnavailable, isHeldCard } from "./token-out-of-order.ts"

export const explainToken = (failure: TokenRefusal): Explanation => sentenceIn(tokenSentences, failure)

export const tokenSentences = {
  TokenNotFound: (failure) => ({
    error: `${failure.forKey ? "Failed to find a signing key: " : ""}Didn't find a slot to use. The device may be disconnected.${failure.uri === undefined ? "" : ` No token matches '${failure.uri}'${whyNoMatch(failure.uri)}`}${andWhere(failure.onOtherToken)}`,
    hint: failure.onOtherToken
      ? nameItsToken(failure.onOtherToken)
      : failure.present.length === 0
        ? "no token found: plug it in, or initialise one; tedge resumes when it is back"
        : `tokens found: ${failure.present.join(", ")}`
  }),
  TokenAmbiguous: (failure) => ({
    error: "several tokens match",
    hint: `name one of them: ${failure.candidates.toSorted().map(shellQuoted).join(", ")}`
  }),
  KeyNotFound: (failure) => {
    if (failure.mayNotSign !== undefined)
      return {
        error: `Failed to find a signing key: the key '${failure.mayNotSign}' on token '${failure.token}' cannot sign: the token does not allow it (CKA_SIGN is false)`,
        hint: "use a key that was made for signing: tedge hsm list-keys"
      }
    return {
      error: `Failed to find a signing key: Failed to find a key on token '${failure.token}'${failure.uri === undefined ? "" : ` that matches '${failure.uri}'`}${andWhere(failure.onOtherToken)}`,
      hint: failure.onOtherToken ? nameItsToken(failure.onOtherToken) : "list the keys with: tedge hsm list-keys"
    }
  },
  KeyExists: (failure) => ({
    error: `Object with this id already exists on the token: token '${failure.token}', id '${failure.id}'`,
    hint: "choose another --id, or leave it out for a random one"
  }),
  LabelTaken: (failure) => ({
    error: `token '${failure.token}' already has a key labelled '${failure.label}' ('${failure.uri}'), and this client may not create a second one`,
    hint: "choose another --label; or run it as root or as the user of the service, or with a rule whose uri names this label"
  }),
  KeyAmbiguous: (failure) => ({
    error: "several keys match",
    hint: `name one of them: ${failure.candidates.toSorted().map(shellQuoted).join(", ")}`
  }),
  UriNotUsable: (failure) => ({ error: `the URI '${failure.uri}' cannot be used here: ${failure.reason}` }),
  NameNotUsable: (failure) => ({ error: explainName(failure) }),
  OutsideScope: (failure) => ({
    error: `'${failure.uri}' ${outsideScopeFragment}: '${failure.scope}'`,
    hint: "check: tedge config get device.cryptoki.uri"
  }),
  PinMissing: (failure) => ({
    error: `token '${failure.token}' requires a PIN, and none is configured`,
    hint: "tedge config set device.cryptoki.pin <PIN>"
  }),
  PinRejected: (failure) => explainPin(failure),
  LoginDelayed: (failure) => explainDelay(failure),
  LatchNotCleared: ({ token, uri, directory, reason }) => {
    const command = `tedge hsm clear-pin-latch '${uri}'`
    return reason === "noPermission"
      ? {
          error: `token '${token}': this user may not change '${directory}', where refused PINs are remembered`,
          hint: `run it as root, or as the user of the service: sudo ${command}`
        }
      : {
          error: `token '${token}': refused PINs are not remembered in '${directory}' of this machine`,
          hint: `run it as root where tedge-p11-server runs, with the run.path of its settings: ${command}; a service without such files forgets them on restart`
        }
  },
  ModuleNotLoaded: (failure) => explainModule(failure),
  HostNotStarted: ({ reason, program }) => {
    const start = "the process that loads the PKCS#11 module could not be started"
    switch (reason) {
      case "EMFILE":
        return {
          error: `${start}: this process has too many open files (EMFILE)`,
          hint: "raise LimitNOFILE= of the service, or ulimit -n; retried automatically"
        }
      case "ENFILE":
        return {
          error: `${start}: the system has too many open files (ENFILE)`,
          hint: "check: sysctl fs.file-nr; retried automatically"
        }
      case "EAGAIN":
        return {
          error: `${start}: the limit of processes or threads is reached (EAGAIN)`,
          hint: "raise TasksMax= of the service, or ulimit -u; retried automatically"
        }
      case "ENOMEM":
        return { error: `${start}: out of memory (ENOMEM)`, hint: "check: free -m; retried automatically" }
      case "ENOENT":
        return {
          error: `${start}: '${program}' no longer exists (ENOENT)`,
          hint: "if Node was updated or removed: install it, then restart the service"
        }
      default:
        return { error: `${start}: ${reason}`, hint: "retried automatically" }
    }
  },
  TokenActorFailed: (failure) =>
    failure.state === "restarted"
      ? {
          error: `token '${failure.token}': internal error in a request on this token`,
          hint: "try again; if it repeats, report it with the log"
        }
      : {
          error: `token '${failure.token}': parked after too many internal errors; it accepts requests again in ${failure.retryInMs === undefined ? "up to 5 minutes" : seconds(failure.retryInMs)}`,
          hint: "retried automatically; report it with the log"
        },
  TokenTimeout: (failure) => ({
    error: `${isHeldCard(failure) ? `card '${failure.token}': another program holds it, or its reader hangs` : `token '${failure.token}'`}: ${failure.call} did not return within ${seconds(failure.afterMs)}; its module was restarted${inBrackets(failure.detail)}`,
    hint: hintForTimeout(failure)
  }),
  TokenHostDied: (failure) => ({
    error: `token '${failure.token}': the PKCS#11 module crashed in ${failure.call}${failure.signal === undefined ? "" : ` (${failure.signal})`}${inBrackets(failure.detail)}`,
    hint: "it restarts automatically; if this repeats, update the module"
  }),
  TokenUnavailable: (failure) => ({
    error: `token '${failure.token}' is unavailable${failure.code === undefined ? "" : `: ${failure.call} returned ${failure.code}`}${inBrackets(failure.detail)}${closedWords(failure.closed)}`,
    hint:
      hintForUnavailable(failure) ??
      hintForCode(failure.code) ??
      `plug it in again; tedge resumes when it is back${inFiles(failure.code)}`
  }),
  SchemeNotSupported: (failure) => ({
    error: `the ${failure.keyType} key on token '${failure.token}' cannot sign with ${failure.scheme}`,
    hint: "use a key of another type: tedge cert create-key-hsm --type ecdsa --curve p256"
  }),
  PublicKeyUnavailable: (failure) => ({
    error: `token '${failure.token}' does not tell the public key, and has no certificate with the key's id`,
    hint: "put the present certificate where device.cert_path says, or on the token with the key's id"
  }),
  KeyGenerationUnsupported: (failure) => ({
    error: `token '${failure.token}' does not generate keys over PKCS#11: C_GenerateKeyPair returned ${failure.code}`,
    hint: `${makeKeyWith[failure.family]}; then look for it: tedge hsm list-keys`
  }),
  OutcomeUnknown: (failure) => ({
    error: `token '${failure.token}': ${failure.operation} ${unknownFragment}`,
    hint: hintForUnknown[failure.operation]
  }),
  TokenError: (failure) => {
    const error = `token '${failure.token}': ${failure.call} returned ${failure.code}${inBrackets(failure.detail)}`
    const hint =
      failure.call === "C_InitToken"
        ? hintForInit(failure.code)
        : failure.call === "C_GenerateKeyPair"
          ? hintForGenerate(failure.code)
          : (hintForUse(failure.code) ?? hintForCode(failure.code))
    return hint === undefined ? { error } : { error, hint }
  },
  CryptokiOff: (failure) => {
    if (failure.missing === "device.cryptoki.mode")
      return {
        error: "'device.cryptoki.mode' is off: the key is a file, and no token is used",
        hint: "to use a token: tedge config set device.cryptoki.mode socket"
      }
    return {
      error: `no access to a token is configured: '${failure.missing}' is missing`,
      hint: `tedge config set ${failure.missing} <value>`
    }
  },
  ServiceUserUnknown: (failure) => explainPlatform(failure),
  SystemFileInvalid: (failure) => explainPlatform(failure),
  SigningServiceUnreachable: (failure) => explainService(failure),
  SigningServiceRefused: (failure) => explainService(failure),
  SigningServiceResponseInvalid: (failure) => explainService(failure)
} satisfies Sentences<TokenRefusal>

/** Part of the error, as clients of the signing service get no hints. */
const andWhere = (onOtherToken: KeyOnOtherToken | undefined): string =>
  onOtherToken === undefined ? "" : `; ${seenFragment[onOtherToken.seen]} is on token '${onOtherToken.token}'`

const nameItsToken = ({ uri }: KeyOnOtherToken): string =>
  `if that is the key, name its token: tedge config set device.key_uri '${uri}'`

const hintForUnknown: Readonly<Record<OutcomeUnknown["operation"], string>> = {
  "create-key": "check before retrying: tedge hsm list-keys",
  "delete-key": "check before retrying: tedge hsm list-keys",
  init: "check before retrying: tedge hsm list-tokens",
  "change-pin": "either PIN may be right now; try the new one: tedge hsm list-keys --pin <PIN>"
}

/** Hints for codes that state their own reason. */
const hintForCode = (code: string | undefined): string | undefined => {
  switch (code) {
    case "CKR_DEVICE_MEMORY":
      return "the token is full: delete a key that is no longer needed (tedge hsm list-keys, tedge hsm delete-key)"
    case "CKR_SESSION_COUNT":
      return "the token is busy: other programs hold all of its sessions; end one of them"
    case "CKR_TOKEN_WRITE_PROTECTED":
      return "the token is write protected: use the token vendor's tool to allow changes, or another token"
    case "CKR_SESSION_READ_ONLY":
      return "the token does not allow changes by this user"
    case "CKR_USER_PIN_NOT_INITIALIZED":
      return "the token has no user PIN yet: tedge hsm change-pin --reset"
    case "CKR_PIN_LEN_RANGE":
      return "choose a longer or a shorter PIN"
    default:
      return undefined
  }
}

const cannotDo: ReadonlySet<string> = new Set([
  "CKR_MECHANISM_INVALID",
  "CKR_MECHANISM_PARAM_INVALID",
  "CKR_CURVE_NOT_SUPPORTED",
  "CKR_KEY_SIZE_RANGE",
  "CKR_FUNCTION_NOT_SUPPORTED"
])

/** For an existing key. */
const hintForUse = (code: string): string | undefined =>
  cannotDo.has(code)
    ? "the token cannot do this with the key: use one of another type; list the keys: tedge hsm list-keys"
    : undefined

/** How to create a key on a token that does not generate keys for us. */
const makeKeyWith: Readonly<Record<TokenFamily, string>> = {
  piv: "make it with the card vendor's tool: ykman piv keys generate, or yubico-piv-tool -a generate",
  smartCardHsm: "make it with: pkcs11-tool --keypairgen",
  opTee: "make it with: pkcs11-tool --keypairgen",
  other: "make it with the token vendor's tool, or use another token"
}

/** SoftHSM2 returns these when its directory is full or read-only, others when they are broken. */
const inFiles = (code: string | undefined): string =>
  code === "CKR_GENERAL_ERROR" || code === "CKR_FUNCTION_FAILED" || code === "CKR_DEVICE_ERROR"
    ? "; if the token is a directory: check its free space and its permissions"
    : ""

/** Both kinds of template were refused, so the type or the size of the key is the cause. */
const hintForGenerate = (code: string): string | undefined =>
  cannotDo.has(code) || /^CKR_(ATTRIBUTE|TEMPLATE)_/.test(code)
    ? "the token cannot do this: try another --type, --curve or --bits"
    : hintForCode(code)

/** An uninitialised token may require the SO PIN of its vendor. */
const hintForInit = (code: string): string | undefined =>
  code === "CKR_PIN_INCORRECT" || code === "CKR_PIN_LEN_RANGE" || code === "CKR_PIN_INVALID"
    ? "the token rejected this SO PIN: it may be too short, or the vendor has set another one"
    : hintForCode(code)

const explainModule = (failure: ModuleNotLoaded): Explanation => {
  const start = `Failed to load PKCS#11 dynamic object '${failure.path}'`
  const check = "check: tedge config get device.cryptoki.module_path"
  switch (failure.reason) {
    case "missing":
      return { error: `${start}: there is no such file`, hint: check }
    case "noPermission":
      return {
        error: `${start}: ${failure.user === undefined ? "this user" : `the services' user '${failure.user}'`} may not read it`,
        hint: `check: ls -l '${failure.path}'`
      }
    case "notAModule":
      return { error: `${start}: it is not a PKCS#11 module${inBrackets(failure.detail)}`, hint: check }
    case "wrongArchitecture":
      return {
        error: `${start}: it was built for another architecture${inBrackets(failure.detail)}`,
        hint: "install the module's package for this machine"
      }
    case "notItsUser":
      return {
        error: `${start}: root cannot run it as the services' user '${failure.user ?? ""}'${inBrackets(failure.detail)}`,
        hint: "run the command with CAP_SETUID and CAP_SETGID, or as that user itself"
      }
    case "deviceClosed":
      return {
        error: `${start}: its sandbox closes its device${inBrackets(failure.detail)}`,
        hint: hintForClosedDevice
      }
    case "pkcs11jsMissing":
      if (failure.user !== undefined)
        return {
          error: `the services' user '${failure.user}' cannot load the npm package pkcs11js${inBrackets(failure.detail)}`,
          hint: "if it is installed, check that this user may read its directory and those above; else install this program again, with python3, make and g++"
        }
      return {
        error: `the npm package pkcs11js is not installed or could not be built${inBrackets(failure.detail)}`,
        hint: "install python3, make and g++, then install this program again (npm ci in a clone; npm install -g --allow-scripts=tedge-actors,pkcs11js); or use tedge-p11-server: tedge config set device.cryptoki.mode socket"
      }
    case "other":
      return { error: `${start}${inBrackets(failure.detail)}`, hint: check }
  }
}
