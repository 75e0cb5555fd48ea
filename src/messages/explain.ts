/**
 * The sentence and the next step for every failure a person can meet: on the terminal, on the wire, in health and logs.
 *
 * The switch is exhaustive: a new refusal does not compile until it has a sentence. The words are in `explain/`,
 * by who refuses.
 */
import type { AskFailed } from "../runtime/errors.ts"
import type { CertificateRefusal } from "./certificate.ts"
import type { ConfigRefusal } from "./config.ts"
import { explainCertificate } from "./explain/certificate.ts"
import { explainConfig } from "./explain/config.ts"
import { explainAsk, explainConnect, type StepRefusal } from "./explain/connect.ts"
import { type Explanation, quoted } from "./explain/explanation.ts"
import { explainHsm } from "./explain/hsm.ts"
import { explainMqtt } from "./explain/mqtt.ts"
import { explainPlatform } from "./explain/platform.ts"
import { explainToken } from "./explain/token.ts"
import type { HsmRefusal } from "./hsm.ts"
import type { MqttRefusal } from "./mqtt.ts"
import type { InvalidPkcs11Uri } from "./pkcs11-uri.ts"
import type { PlatformRefusal } from "./platform.ts"
import type { TokenRefusal } from "./token-refusals.ts"

export type { Explanation } from "./explain/explanation.ts"

export type Failure =
  | TokenRefusal
  | MqttRefusal
  | StepRefusal
  | ConfigRefusal
  | HsmRefusal
  | CertificateRefusal
  | PlatformRefusal
  | AskFailed
  | InvalidPkcs11Uri

export const explain = (failure: Failure): Explanation => {
  switch (failure._tag) {
    case "TokenNotFound":
    case "TokenAmbiguous":
    case "KeyNotFound":
    case "KeyExists":
    case "LabelTaken":
    case "KeyAmbiguous":
    case "UriNotUsable":
    case "NameNotUsable":
    case "OutsideScope":
    case "PinMissing":
    case "PinRejected":
    case "LatchNotCleared":
    case "ModuleNotLoaded":
    case "HostNotStarted":
    case "TokenActorFailed":
    case "TokenTimeout":
    case "TokenHostDied":
    case "LoginDelayed":
    case "TokenUnavailable":
    case "SchemeNotSupported":
    case "KeysNotMadeHere":
    case "PublicKeyNotTold":
    case "OutcomeUnknown":
    case "TokenError":
    case "CryptokiOff":
    case "SigningServiceUnreachable":
    case "SigningServiceRefused":
    case "SigningServiceGarbled":
      return explainToken(failure)
    case "DialFailed":
    case "TlsFailed":
    case "CredentialUnusable":
    case "KeyMismatch":
    case "SigningFailed":
    case "BrokerRefused":
    case "SubscriptionRefused":
    case "BrokerDisconnected":
    case "ClientIdContested":
    case "ConnectionLost":
    case "BrokerSilent":
      return explainMqtt(failure)
    case "AlreadyConnected":
    case "NotConnected":
    case "CommandRunning":
    case "HsmNeedsBuiltInBridge":
    case "MosquittoBridgeRequested":
    case "ProfilesCollide":
    case "ServiceCommandFailed":
    case "ServiceManagerUnavailable":
    case "BrokerNotListening":
    case "DeviceNotCreated":
    case "ConnectionCheckFailed":
    case "TenantMismatch":
    case "CertificateNotValid":
    case "CertificateOfAnother":
    case "FileNotWritten":
      return explainConnect(failure)
    case "MapperUnknown":
    case "UnknownSetting":
    case "UnknownProfile":
    case "ProfileNotUsable":
    case "InvalidSetting":
    case "SettingMissing":
    case "SettingNotSet":
    case "SettingsIncomplete":
    case "ConfigFileMalformed":
    case "ConfigFileUnreadable":
    case "ConfigFileNotWritten":
    case "ConfigFileNotEditable":
    case "ConfigVersionUnknown":
    case "ConfigMigrationConflict":
      return explainConfig(failure)
    case "KeyIdInvalid":
    case "OptionsExclude":
    case "OptionNeeds":
    case "KeyInUse":
    case "OtherKeyMeant":
    case "KeyNotDeleted":
    case "OtherKeyDeleted":
    case "KeySelectorMissing":
    case "SelectorGivenTwice":
    case "TokenNotNamed":
    case "PinEmpty":
    case "TokenWithoutPin":
    case "KeyPerhapsMade":
    case "PinsDiffer":
    case "NobodyToAsk":
    case "TokenInitialised":
    case "NewKeyOutsideScope":
    case "SettingShadowed":
    case "KeyNotSelected":
    case "OtherKeyChosen":
    case "PinNotStored":
    case "PinPerhapsChanged":
      return explainHsm(failure)
    case "FileInTheWay":
    case "SameFile":
    case "DurationInvalid":
    case "CommonNameInvalid":
    case "NotSelfSigned":
    case "CloudWithoutService":
    case "KeyNeeded":
    case "SignatureUnfit":
    case "RequestUnusable":
    case "HostInvalid":
    case "AccessTokenMissing":
    case "KeyCannotCertify":
    case "HttpRefused":
    case "HttpUnreachable":
    case "EnrolmentGarbled":
    case "EnrolmentTimedOut":
      return explainCertificate(failure)
    case "AskTimeout":
    case "PeerDown":
    case "Undeliverable":
      return explainAsk(failure)
    case "AddonNotLoaded":
    case "SystemFileInvalid":
    case "ServiceUserUnknown":
    case "LockHeld":
    case "LockUnavailable":
      return explainPlatform(failure)
    case "InvalidPkcs11Uri":
      return explainUri(failure)
  }
}

const explainUri = (failure: InvalidPkcs11Uri): Explanation => {
  const start = `'${quoted(failure.uri)}' is not a valid PKCS#11 URI`
  const attribute = failure.attribute === undefined ? "" : ` (${quoted(failure.attribute)})`
  switch (failure.reason) {
    case "missing-scheme":
      return {
        error: `missing PKCS #11 URI scheme: '${quoted(failure.uri)}'`,
        hint: "it begins with 'pkcs11:', e.g. pkcs11:token=my-token;object=my-key"
      }
    case "duplicate-attribute":
      return { error: `PKCS#11 URI contains duplicate attribute${attribute}: '${quoted(failure.uri)}'` }
    case "bad-percent-encoding":
      return {
        error: `${start}: a '%' is not followed by two hex digits${attribute}`,
        hint: "write a '%' itself as %25"
      }
    case "bad-character":
      return { error: `${start}: a character must be written as %XX${attribute}` }
    case "not-utf8":
      return { error: `${start}: it is not valid UTF-8${attribute}` }
    case "bad-number":
      return { error: `${start}: a number is expected${attribute}` }
    case "bad-type":
      return { error: `${start}: the type must be private, public, cert, secret-key or data` }
    case "no-value":
      return { error: `${start}: an attribute has no value${attribute}` }
    case "too-long":
      return { error: "the PKCS#11 URI is longer than 4096 characters" }
  }
}
