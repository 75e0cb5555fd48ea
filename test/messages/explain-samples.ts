/** Examples of every failure, in each of its variants. The table does not compile while one is missing. */
import * as Certificate from "../../src/messages/certificate.ts"
import * as Config from "../../src/messages/config.ts"
import * as Connect from "../../src/messages/connect.ts"
import type { Failure } from "../../src/messages/explain.ts"
import * as Hsm from "../../src/messages/hsm.ts"
import * as Mqtt from "../../src/messages/mqtt.ts"
import { InvalidPkcs11Uri } from "../../src/messages/pkcs11-uri.ts"
import * as Platform from "../../src/messages/platform.ts"
import * as Status from "../../src/messages/status/refusals.ts"
import * as Token from "../../src/messages/token-refusals.ts"
import * as Runtime from "../../src/runtime/errors.ts"

type Samples = { readonly [Tag in Failure["_tag"]]: ReadonlyArray<Extract<Failure, { readonly _tag: Tag }>> }

const at = { host: "cloud.example", port: 8883 }
const c8y = { cloud: "c8y", profile: undefined } as const
const token = "my-token"
const uri = "pkcs11:token=my-token;object=my-key"

const pinReasons = [
  "incorrect",
  "latched",
  "latchedAll",
  "reserved",
  "locked",
  "expired",
  "finalTry",
  "differs",
  "invalid",
  "clientTried",
  "paused",
  "unanswered",
  "countLow",
  "recordUnreadable",
  "recordNewer"
] as const
const moduleReasons = [
  "missing",
  "noPermission",
  "notAModule",
  "wrongArchitecture",
  "pkcs11jsMissing",
  "deviceClosed",
  "other"
] as const
const serviceReasons = ["missing", "noPermission", "refused", "silent", "closedEarly", "foreign", "other"] as const
const uriReasons = [
  "missing-scheme",
  "duplicate-attribute",
  "bad-percent-encoding",
  "bad-character",
  "not-utf8",
  "bad-number",
  "bad-type",
  "no-value",
  "too-long"
] as const
const tlsReasons = [
  "serverNotTrusted",
  "hostMismatch",
  "serverCertificateExpired",
  "serverCertificateNotYetValid",
  "serverCertificateUnfit",
  "certificateRefused",
  "certificateExpired",
  "certificateRequired",
  "handshakeRefused",
  "protocolVersion",
  "signatureMismatch",
  "notTls",
  "other"
] as const
const fileReasons = [
  "missing",
  "noPermission",
  "isDirectory",
  "malformed",
  "der",
  "ambiguous",
  "empty",
  "tooLarge"
] as const

const families = ["smartCardHsm", "piv", "opTee", "other"] as const

const onOtherToken: Token.KeyOnOtherToken = {
  token: "other",
  uri: "pkcs11:token=other;object=my-key",
  seen: "publicKey"
}

export const samples: Samples = {
  TokenNotFound: [
    new Token.TokenNotFound({ uri, present: [] }),
    new Token.TokenNotFound({ uri: undefined, present: ["pkcs11:token=other"] }),
    new Token.TokenNotFound({ uri, present: ["pkcs11:token=other"], onOtherToken, forKey: true })
  ],
  TokenAmbiguous: [new Token.TokenAmbiguous({ candidates: ["pkcs11:slot-id=1", "pkcs11:slot-id=2"] })],
  KeyNotFound: [
    new Token.KeyNotFound({ uri, token, onOtherToken: undefined }),
    new Token.KeyNotFound({ uri, token, onOtherToken }),
    new Token.KeyNotFound({ uri, token, onOtherToken: undefined, mayNotSign: uri })
  ],
  KeyExists: [new Token.KeyExists({ token, id: "01" })],
  LabelTaken: [new Token.LabelTaken({ token, label: "k", uri })],
  KeyAmbiguous: [new Token.KeyAmbiguous({ candidates: [uri] })],
  NameNotUsable: (["empty", "tooLong", "controlCharacter", "blankAtEnd"] as const).flatMap((reason) => [
    new Token.NameNotUsable({ what: "id", reason, longest: 255 }),
    new Token.NameNotUsable({ what: "label", reason, longest: 32 })
  ]),
  UriNotUsable: [new Token.UriNotUsable({ uri, reason: "type=public" })],
  OutsideScope: [new Token.OutsideScope({ uri, scope: "pkcs11:token=other" })],
  PinMissing: [new Token.PinMissing({ token })],
  PinRejected: pinReasons.flatMap((reason) =>
    ([{}, { pin: "so" }, { pin: "current" }] as const).map(
      (of) =>
        new Token.PinRejected({
          token,
          reason,
          ...of,
          detail: "C_Login returned 0x05",
          until: "2026-11-29T20:41:07.000Z",
          forMs: 60_000
        })
    )
  ),
  LoginDelayed: (["unanswered", "otherProcess", "tooOften"] as const).flatMap((reason) => [
    new Token.LoginDelayed({ token, reason, detail: "C_Login returned CKR_GENERAL_ERROR", retryInMs: 4000 }),
    new Token.LoginDelayed({ token, reason, detail: "", retryInMs: undefined })
  ]),
  LatchNotCleared: (["noPermission", "noDirectory"] as const).map(
    (reason) => new Token.LatchNotCleared({ token, uri, directory: "/run/tedge-pin-latch", reason })
  ),
  ModuleNotLoaded: moduleReasons.map(
    (reason) => new Token.ModuleNotLoaded({ path: "/lib/p11.so", reason, detail: "x" })
  ),
  HostNotStarted: ["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOENT", "EACCES"].map(
    (reason) => new Token.HostNotStarted({ reason, program: "/usr/bin/node" })
  ),
  TokenTimeout: ["sign", "tokens"].flatMap((call) =>
    (["piv", "smartCardHsm", "opTee", "other"] as const).map(
      (family) => new Token.TokenTimeout({ token, call, afterMs: 60_000, detail: "", family })
    )
  ),
  TokenActorFailed: (["restarted", "parked"] as const).map((state) => new Token.TokenActorFailed({ token, state })),
  TokenHostDied: [new Token.TokenHostDied({ token, call: "C_Sign", signal: "SIGSEGV", detail: "" })],
  TokenUnavailable: [
    new Token.TokenUnavailable({ token, call: "C_Sign", code: "CKR_DEVICE_REMOVED", detail: "" }),
    new Token.TokenUnavailable({ token, call: undefined, code: undefined, detail: "" }),
    new Token.TokenUnavailable({
      token,
      call: "C_Initialize",
      code: "CKR_DEVICE_ERROR",
      detail: "ERR [7] CT: TEEC init context failed"
    }),
    new Token.TokenUnavailable({
      token,
      call: "C_FindObjects",
      code: "CKR_GENERAL_ERROR",
      detail: "",
      family: "opTee"
    })
  ],
  SchemeNotSupported: [new Token.SchemeNotSupported({ token, scheme: "rsa_pss_rsae_sha256", keyType: "EC" })],
  PublicKeyUnavailable: [new Token.PublicKeyUnavailable({ token })],
  KeyGenerationUnsupported: families.map(
    (family) => new Token.KeyGenerationUnsupported({ token, family, code: "CKR_MECHANISM_INVALID" })
  ),
  OutcomeUnknown: [new Token.OutcomeUnknown({ token, operation: "create-key" })],
  TokenError: [new Token.TokenError({ token, call: "C_Sign", code: "CKR_GENERAL_ERROR", detail: "a\nb" })],
  CryptokiOff: ["device.cryptoki.mode", "device.cryptoki.module_path"].map(
    (missing) => new Token.CryptokiOff({ missing })
  ),
  SigningServiceUnreachable: serviceReasons.map(
    (reason) => new Token.SigningServiceUnreachable({ socketPath: "/run/p11.sock", reason, detail: "" })
  ),
  SigningServiceRefused: [
    "\u001b[31mno",
    "Failed to find a key; the public half of such a key is on token 'other'",
    "the PIN was refused before and was not tried again",
    "token 'my-token' is logged in with a different PIN"
  ].map((reason) => new Token.SigningServiceRefused({ message: `PKCS #11 service failed: ${reason}` })),
  SigningServiceResponseInvalid: [
    new Token.SigningServiceResponseInvalid({ socketPath: "/run/p11.sock", detail: "7 bytes" })
  ],
  DialFailed: ["ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "proxy", "EACCES"].map(
    (code) => new Mqtt.DialFailed({ ...at, code, detail: "" })
  ),
  TlsFailed: tlsReasons.map((reason) => new Mqtt.TlsFailed({ ...at, reason, detail: "unknown ca" })),
  CredentialUnusable: fileReasons.map(
    (reason) => new Mqtt.CredentialUnusable({ path: "/etc/cert.pem", role: "certificate", reason, detail: "" })
  ),
  KeyMismatch: [new Mqtt.KeyMismatch({ certPath: "/etc/cert.pem", key: uri })],
  SigningFailed: [
    new Mqtt.SigningFailed({ host: at.host, cause: new Token.PinMissing({ token }) }),
    ...(["timeout", "down", "full", "stopped"] as const).map(
      (reason) =>
        new Mqtt.SigningFailed({ host: at.host, cause: new Mqtt.SigningInterrupted({ reason, afterMs: 60_000 }) })
    )
  ],
  BrokerRefused: [1, 2, 3, 4, 5, 128, 77].map((code) => new Mqtt.BrokerRefused({ ...at, code, detail: "" })),
  SubscriptionRefused: [
    new Mqtt.SubscriptionRefused({
      ...at,
      filters: [
        { filter: "c8y/s/us/#", code: 135 },
        { filter: "c8y/s/uat", code: 0xf0 }
      ]
    })
  ],
  BrokerDisconnected: [0x8e, 0x8b, 0xf0].map(
    (code) => new Mqtt.BrokerDisconnected({ ...at, code, detail: "back in an hour" })
  ),
  ClientIdContested: [new Mqtt.ClientIdContested({ ...at, clientId: "dev01", times: 3 })],
  ConnectionLost: (["connecting", "connected"] as const).map(
    (stage) => new Mqtt.ConnectionLost({ ...at, stage, detail: "ECONNRESET" })
  ),
  BrokerSilent: [
    new Mqtt.BrokerSilent({ ...at, waitingFor: "CONNACK", afterMs: 60_000, signingMs: undefined }),
    new Mqtt.BrokerSilent({ ...at, waitingFor: "CONNACK", afterMs: 60_000, signingMs: 59_000 })
  ],
  AlreadyConnected: [
    new Connect.AlreadyConnected(c8y),
    new Connect.AlreadyConnected({ cloud: "c8y", profile: "prod" })
  ],
  NotConnected: [new Connect.NotConnected(c8y)],
  HsmNeedsBuiltInBridge: [new Connect.HsmNeedsBuiltInBridge(c8y)],
  MosquittoBridgeRequested: [new Connect.MosquittoBridgeRequested(c8y)],
  ProfilesCollide: [new Connect.ProfilesCollide({ keys: ["c8y.url", "c8y.profiles.b.url"], value: "x" })],
  ServiceCommandFailed: (["notFound", "exit", "signal", "timeout"] as const).map(
    (reason) =>
      new Connect.ServiceCommandFailed({
        service: "mosquitto",
        command: ["/bin/x", "y"],
        reason,
        status: "5",
        output: ""
      })
  ),
  ServiceUserUnknown: (["user", "group"] as const).map(
    (what) => new Platform.ServiceUserUnknown({ what, name: "edge", path: "/etc/tedge/system.toml" })
  ),
  SystemFileInvalid: [
    new Platform.SystemFileInvalid({ path: "/etc/tedge/system.toml", problem: "untrusted", detail: "user 'tedge'" }),
    new Platform.SystemFileInvalid({ path: "/etc/tedge/system.toml", detail: "no {}" })
  ],
  ServiceManagerUnavailable: [new Connect.ServiceManagerUnavailable({ name: "openrc", command: ["/sbin/rc"] })],
  MapperHasBridge: [7, undefined].map(
    (process) => new Connect.MapperHasBridge({ cloud: "c8y", profile: undefined, unit: "tedge-mapper-c8y", process })
  ),
  DeviceStillOnline: [7, undefined].map(
    (process) => new Connect.DeviceStillOnline({ unit: "tedge-bridge-c8y", process })
  ),
  BrokerNotListening: [
    new Connect.BrokerNotListening({ ...at, afterMs: 20_000, cause: undefined }),
    new Connect.BrokerNotListening({
      ...at,
      afterMs: 20_000,
      cause: new Mqtt.DialFailed({ ...at, code: "ECONNREFUSED", detail: "" })
    })
  ],
  DeviceNotCreated: [new Connect.DeviceNotCreated({ host: at.host, deviceId: "dev", detail: "41,100" })],
  ConnectionCheckFailed: (["localBroker", "bridgeDown", "noAnswer"] as const).map(
    (reason) =>
      new Connect.ConnectionCheckFailed({
        cloud: "c8y",
        unit: "tedge-mapper-c8y",
        reason,
        detail: "x",
        cause: undefined
      })
  ),
  TenantMismatch: [new Connect.TenantMismatch({ issuer: "a", mqttHost: "b", httpHost: "c" })],
  CertificateNotValid: (["expired", "notYetValid"] as const).map(
    (reason) => new Connect.CertificateNotValid({ path: "/etc/cert.pem", reason, at: "2026-01-01T00:00:00.000Z" })
  ),
  CertificateOfOtherDevice: ["dev02", undefined].map(
    (name) => new Connect.CertificateOfOtherDevice({ path: "/etc/cert.pem.new", name, deviceId: "dev01" })
  ),
  FileNotWritten: ["EACCES", "EROFS", "ENOSPC", "EIO"].map((code) => new Connect.FileNotWritten({ path: "/x", code })),
  UnknownSetting: [
    new Config.UnknownSetting({ key: "a.b", similar: [] }),
    new Config.UnknownSetting({ key: "c8y.ulr", similar: ["c8y.url"] })
  ],
  UnknownProfile: [new Config.UnknownProfile({ cloud: "c8y", profile: "x", known: [] })],
  ProfileNotUsable: (["empty", "characters", "no-letter-or-digit", "not-profiled", "named-twice"] as const).map(
    (reason) => new Config.ProfileNotUsable({ profile: "x", key: "device.id", reason })
  ),
  InvalidSetting: [
    new Config.InvalidSetting({
      key: "mqtt.bind.port",
      value: "x",
      source: { kind: "variable", variable: "TEDGE_MQTT_BIND_PORT" },
      problem: { kind: "out-of-range", min: 1, max: 65535 }
    })
  ],
  SettingMissing: [
    new Config.SettingMissing({ key: "c8y.url", idProblem: undefined }),
    ...(["missing", "unreadable", "malformed", "ambiguous", "no-common-name"] as const).map(
      (reason) =>
        new Config.SettingMissing({
          key: "device.id",
          idProblem: { certPath: "/etc/cert.pem", reason, detail: "EACCES" }
        })
    )
  ],
  MapperUnknown: [[], ["c8y"]].map((known) => new Config.MapperUnknown({ given: "x.url", known })),
  SettingNotSet: [new Config.SettingNotSet({ key: "c8y.url", idProblem: undefined })],
  SettingsIncomplete: [new Config.SettingsIncomplete({ set: ["proxy.username"], missing: ["proxy.password"] })],
  ConfigFileMalformed: [new Config.ConfigFileMalformed({ path: "/t.toml", line: 3, column: 1, reason: "a\nb" })],
  ConfigFileUnreadable: [new Config.ConfigFileUnreadable({ path: "/t.toml", code: "EACCES" })],
  ConfigFileNotWritten: ["EACCES", "ENOSPC", "EROFS", "EAGAIN"].map(
    (code) => new Config.ConfigFileNotWritten({ path: "/t.toml", step: "lock", code })
  ),
  ConfigFileNotEditable: [new Config.ConfigFileNotEditable({ path: "/t.toml", key: "c8y.url", detail: "" })],
  ConfigVersionUnknown: [new Config.ConfigVersionUnknown({ path: "/t.toml", version: "9" })],
  ConfigMigrationConflict: [new Config.ConfigMigrationConflict({ path: "/t.toml", from: "a", to: "b" })],
  KeyIdInvalid: (["empty", "notHex", "halfByte", "tooLong"] as const).map(
    (reason) => new Hsm.KeyIdInvalid({ text: "0g", reason })
  ),
  OptionNeeds: [new Hsm.OptionNeeds({ option: "--so-pin", other: "--reset" })],
  OptionsExclude: [new Hsm.OptionsExclude({ option: "--bits", other: "--type ecdsa" })],
  OtherKeySelected: [new Hsm.OtherKeySelected({ uri })],
  KeyNotDeleted: [new Hsm.KeyNotDeleted({ uri })],
  OtherKeyDeleted: [new Hsm.OtherKeyDeleted({ uri, deleted: [uri] })],
  OtherTokenSelected: [new Hsm.OtherTokenSelected({ uri, other: uri })],
  OtherTokenChanged: (["key", "PIN"] as const).map((what) => new Hsm.OtherTokenChanged({ what, uri, other: uri })),
  KeyInUse: [new Hsm.KeyInUse({ uri, settings: ["device.key_uri"] })],
  KeySelectorMissing: [new Hsm.KeySelectorMissing({ command: "tedge hsm delete-key" })],
  SelectorGivenTwice: [new Hsm.SelectorGivenTwice({ what: "id" })],
  TokenNotNamed: [new Hsm.TokenNotNamed({ candidates: [] }), new Hsm.TokenNotNamed({ candidates: ["a", "b"] })],
  PinsDiffer: [new Hsm.PinsDiffer({ what: "user PIN" })],
  PinEmpty: [new Hsm.PinEmpty({ what: "SO PIN" })],
  KeyOutcomeUnknown: [undefined, new Token.OutcomeUnknown({ token, operation: "create-key" })].map(
    (cause) => new Hsm.KeyOutcomeUnknown({ uri, cause })
  ),
  TokenWithoutPin: [
    new Hsm.TokenWithoutPin({ uri, cause: new Token.PinRejected({ token, reason: "invalid" }) }),
    new Hsm.TokenWithoutPin({
      uri,
      cause: new Runtime.AskTimeout({ actor: "a", message: "m", stage: "queued", withinMs: 1 })
    })
  ],
  InputClosed: [new Hsm.InputClosed({ option: "--force" })],
  NewKeyOutsideScope: (["command", "service"] as const).flatMap((of) => [
    new Hsm.NewKeyOutsideScope({ scope: uri, tokenOnly: "pkcs11:token=my-token", of }),
    new Hsm.NewKeyOutsideScope({ scope: undefined, tokenOnly: undefined, of })
  ]),
  SettingShadowed: [new Hsm.SettingShadowed({ key: "device.key_uri", variable: "TEDGE_DEVICE_KEY_URI" })],
  KeyNotSelected: [
    new Hsm.KeyNotSelected({
      uri,
      setting: "device.key_uri",
      cause: new Config.ConfigFileNotWritten({ path: "/x", step: "rename", code: "EBUSY" })
    })
  ],
  OtherKeyChosen: [new Hsm.OtherKeyChosen({ uri })],
  PinNotStored: [
    new Hsm.PinNotStored({
      keys: ["device.cryptoki.pin"],
      cause: new Config.ConfigFileNotWritten({ path: "/x", step: "write", code: "ENOSPC" })
    })
  ],
  PinOutcomeUnknown: [new Hsm.PinOutcomeUnknown({ uri, keys: ["device.cryptoki.pin"], cause: undefined })],
  TokenInitialised: families.map((family) => new Hsm.TokenInitialised({ tokens: [{ uri, label: token, family }] })),
  DurationInvalid: [new Certificate.DurationInvalid({ option: "--retry-every", text: "x" })],
  SameFile: [new Certificate.SameFile({ path: "/x", names: ["device.key_path", "device.cert_path"] })],
  FileExists: (["certificate", "key"] as const).map((role) => new Certificate.FileExists({ path: "/x", role })),
  KeyRequired: [
    { cause: new Token.KeyNotFound({ uri, token, onOtherToken: undefined }), present: [], isListed: false },
    { cause: new Token.KeyNotFound({ uri, token, onOtherToken: undefined }), present: [uri], isListed: false },
    { cause: new Token.KeyNotFound({ uri, token, onOtherToken }), present: [], isListed: false },
    { cause: new Token.TokenNotFound({ uri, present: [] }), present: [], isListed: false },
    {
      cause: new Token.SigningServiceRefused({ message: "Failed to find a key" }),
      present: [],
      isListed: false,
      isServiceOld: true
    },
    {
      cause: new Token.SigningServiceRefused({ message: "Didn't find a slot to use" }),
      present: [],
      isListed: false,
      isServiceOld: true
    },
    {
      cause: new Token.SigningServiceRefused({ message: "Failed to find a key" }),
      present: [],
      isListed: false,
      isOtherToken: true
    },
    { cause: new Token.SigningServiceRefused({ message: "Failed to find a key" }), present: [uri], isListed: true }
  ].map((facts) => new Certificate.KeyRequired(facts)),
  SignatureNotVerified: [new Certificate.SignatureNotVerified({ scheme: "ecdsa_secp256r1_sha256" })],
  RequestUnusable: (["unreadable", "notARequest", "der", "otherKey"] as const).map(
    (reason) => new Certificate.RequestUnusable({ path: "/x", reason, detail: "ENOENT" })
  ),
  HostInvalid: [new Certificate.HostInvalid({ option: "--url", text: "a b" })],
  AccessTokenMissing: [
    new Certificate.AccessTokenMissing({ words: "c8y", cause: undefined }),
    new Certificate.AccessTokenMissing({
      words: "c8y --profile p",
      cause: new Mqtt.DialFailed({ ...at, code: "ECONNREFUSED", detail: "" })
    })
  ],
  CommonNameInvalid: (["empty", "tooLong", "characters"] as const).map(
    (reason) => new Certificate.CommonNameInvalid({ name: "ü", reason })
  ),
  NotSelfSigned: [new Certificate.NotSelfSigned({ path: "/x" })],
  NotSupportedByCloud: (["renewal", "upload", "enrolment"] as const).map(
    (service) => new Certificate.NotSupportedByCloud({ cloud: "az", service })
  ),
  KeyCannotCertify: [new Certificate.KeyCannotCertify({ keyType: "ed25519" })],
  HttpRefused: [401, 404, 500].map(
    (status) => new Certificate.HttpRefused({ method: "POST", url: "https://x/y", status, detail: "" })
  ),
  HttpUnreachable: [
    ...["ECONNREFUSED", "CERT_HAS_EXPIRED"].map(
      (code) => new Certificate.HttpUnreachable({ url: "https://x/y", code, detail: "" })
    ),
    ...["407", "ECONNREFUSED"].map(
      (code) => new Certificate.HttpUnreachable({ url: "https://x/y", code, detail: code, proxy: "http://p:3128" })
    )
  ],
  EnrolmentResponseInvalid: (["notPkcs7", "noCertificate", "otherKey", "notJson"] as const).map(
    (reason) => new Certificate.EnrolmentResponseInvalid({ url: "https://x/y", reason })
  ),
  EnrolmentTimedOut: [new Certificate.EnrolmentTimedOut({ url: "https://x", afterMs: 600_000 })],
  NothingConnected: [
    new Status.NothingConnected({ cloud: undefined, profile: undefined }),
    new Status.NothingConnected({ cloud: "c8y", profile: undefined }),
    new Status.NothingConnected({ cloud: undefined, profile: "prod" }),
    new Status.NothingConnected({ cloud: "aws", profile: "prod" })
  ],
  ListenRefused: [
    new Status.ListenRefused({ address: "0.0.0.0:8080", reason: "notLoopback" }),
    new Status.ListenRefused({ address: "127.0.0.1:x", reason: "malformed" })
  ],
  PageNotServed: [
    new Status.PageNotServed({ address: "127.0.0.1:8080", code: "EADDRINUSE" }),
    new Status.PageNotServed({ address: "127.0.0.1:80", code: "EACCES" })
  ],
  StatusForbidden: [
    new Status.StatusForbidden({
      service: "tedge-mapper-c8y",
      path: "/run/tedge-actors/tedge-mapper-c8y.sock",
      group: "tedge"
    })
  ],
  StatusSettingsForbidden: [new Status.StatusSettingsForbidden({ path: "/etc/tedge/tedge.toml", group: "tedge" })],
  StatusTimedOut: [
    new Status.StatusTimedOut({
      service: "tedge-mapper-c8y",
      afterMs: 1000,
      log: "journalctl -u tedge-mapper-c8y"
    }),
    new Status.StatusTimedOut({ service: "tedge-mapper-c8y", afterMs: 1000, log: undefined })
  ],
  StatusNotShown: [
    new Status.StatusNotShown({
      service: "tedge-mapper-c8y",
      detail: "not a question of version 1",
      reason: "otherVersion",
      log: undefined
    }),
    new Status.StatusNotShown({
      service: "tedge-mapper-c8y",
      detail: "too many clients",
      reason: "busy",
      log: undefined
    }),
    new Status.StatusNotShown({
      service: "tedge-mapper-c8y",
      detail: "its socket: ENOENT",
      reason: "noSocket",
      log: "journalctl -u tedge-mapper-c8y"
    }),
    new Status.StatusNotShown({
      service: "tedge-mapper-c8y",
      detail: "its socket: ECONNRESET",
      reason: "closed",
      log: "journalctl -u tedge-mapper-c8y"
    }),
    new Status.StatusNotShown({
      service: "tedge-mapper-c8y",
      detail: "its socket: EMFILE",
      reason: "other",
      log: "journalctl -u tedge-mapper-c8y"
    })
  ],
  ServiceDown: [
    new Status.ServiceDown({ service: "tedge-mapper-c8y", state: "failed", startedBy: "tedge connect c8y" }),
    new Status.ServiceDown({ service: "tedge-p11-server", state: undefined, startedBy: undefined })
  ],
  AddonNotLoaded: (["tls", "unix"] as const).map((addon) => new Platform.AddonNotLoaded({ addon, reason: "no cc" })),
  CommandRunning: [
    new Connect.CommandRunning({ cloud: "c8y", profile: undefined, pid: 7 }),
    new Connect.CommandRunning({ cloud: "c8y", profile: "prod", pid: undefined })
  ],
  LockHeld: [new Platform.LockHeld({ path: "/l", pid: 7 }), new Platform.LockHeld({ path: "/l", pid: undefined })],
  LockUnavailable: [new Platform.LockUnavailable({ path: "/l", code: "EACCES", detail: "" })],
  AskTimeout: (["queued", "handling"] as const).map(
    (stage) => new Runtime.AskTimeout({ actor: "cryptoki", message: "Sign", stage, withinMs: 1000 })
  ),
  PeerDown: [new Runtime.PeerDown({ actor: "cryptoki", message: "Sign" })],
  Undeliverable: (["full", "stopped"] as const).map(
    (reason) => new Runtime.Undeliverable({ actor: "cryptoki", reason })
  ),
  InvalidPkcs11Uri: uriReasons.map((reason) => new InvalidPkcs11Uri({ uri: "pkcs11:x", reason, attribute: "id" }))
}
