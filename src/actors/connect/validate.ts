/**
 * Detects errors before anything is changed: `reconnect` calls it before it disconnects.
 *
 * If there is a connection to lose, the token is asked as well. Otherwise the handshake does that, before it sends anything.
 */
import { Effect, Redacted } from "effect"
import { neededSetting } from "../../messages/config.ts"
import {
  type ConnectRefusal,
  HsmNeedsBuiltInBridge,
  MosquittoBridgeRequested,
  ProfilesCollide
} from "../../messages/connect.ts"
import { CredentialUnusable } from "../../messages/mqtt.ts"
import type { CloudSettings, HostPort } from "../../messages/settings/resolved-settings.ts"
import { CryptokiOff } from "../../messages/token-refusals.ts"
import { fileFault } from "../../platform/process/error-code.ts"
import { runCommand } from "../../platform/process/run-command.ts"
import { readTomlFile } from "../../platform/toml/toml-file.ts"
import { certificateDates } from "./certificate-dates.ts"
import type { Auth, CloudConnection, ValidConnection } from "./cloud-connection.ts"
import { cloudDeviceId } from "./device-id.ts"
import { type FitsKey, fitsAny, fitsFileKey, fitsTokenKey } from "./own-key.ts"
import type { ConnectPeers } from "./peers.ts"
import { examinePending, inItsTime, ofCloud, type PendingCertificate } from "./pending-certificate.ts"
import { checkBrokerInstalled } from "./steps/start-broker.ts"

export const validate = (
  peers: ConnectPeers,
  connection: CloudConnection,
  token: "asked" | "untouched"
): Effect.Effect<ValidConnection, ConnectRefusal> =>
  Effect.gen(function* () {
    const { settings } = connection
    const { prefix } = settings.cloud
    const host = yield* neededSetting(`${prefix}.url`, settings.cloud.mqtt)
    const auth = yield* chooseAuth(settings)
    const deviceId = yield* cloudDeviceId(settings, auth.kind === "basic" ? "device.id" : `${prefix}.device.id`)
    yield* refuseMosquittoBridge(connection, auth)
    const askToken = token === "asked" ? fitsTokenKey(peers, settings, host.host) : Effect.succeed(fitsAny)
    const pending = auth.kind === "certificate" ? yield* checkIdentity(settings, askToken) : none
    yield* connection.services.checkAvailable
    yield* checkBrokerInstalled(peers, connection)
    const mosquittoVersion = yield* findMosquittoVersion(peers)
    return { ...connection, host: mqttServicePort(settings, host), deviceId, auth, pending, mosquittoVersion }
  })

/** The MQTT service of Cumulocity listens on another port. Source: thin-edge, `c8y.mqtt_service.enabled`. */
export const mqttServicePort = ({ cloud }: CloudSettings, host: HostPort): HostPort =>
  cloud.mqttService.enabled && host.port === 8883 ? { ...host, port: 9883 } : host

export const chooseAuth = ({ cloud }: CloudSettings): Effect.Effect<Auth, ConnectRefusal> => {
  const { authMethod, credentialsPath } = cloud
  if (authMethod === "certificate" || credentialsPath === undefined) return Effect.succeed({ kind: "certificate" })
  const basic = ({
    username,
    password
  }: {
    readonly username: string
    readonly password: Redacted.Redacted<string>
  }): Auth => ({
    kind: "basic",
    credentialsPath,
    username,
    password
  })
  return Effect.flatMap(readCredentials(credentialsPath), (read) => {
    if (read.kind === "read") return Effect.succeed(basic(read))
    if (authMethod === "auto" && read.failure.reason === "missing")
      return Effect.succeed({ kind: "certificate" as const })
    return Effect.fail(read.failure)
  })
}

const refuseMosquittoBridge = (
  { cloud, profile, settings }: CloudConnection,
  auth: Auth
): Effect.Effect<void, ConnectRefusal> => {
  if (settings.bridge.builtIn) return Effect.void
  const of = { cloud: cloud.name, profile }
  const withToken = auth.kind === "certificate" && settings.cryptoki.mode !== "off"
  return Effect.fail(withToken ? new HsmNeedsBuiltInBridge(of) : new MosquittoBridgeRequested(of))
}

const none: PendingCertificate = { kind: "none" }

const checkIdentity = (
  settings: CloudSettings,
  askToken: Effect.Effect<FitsKey, ConnectRefusal>
): Effect.Effect<PendingCertificate, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, cryptoki } = settings
    if (cryptoki.mode === "module" && cryptoki.modulePath === undefined)
      return yield* new CryptokiOff({ missing: "device.cryptoki.module_path" })
    const path = cloud.device.certPath
    yield* certificateDates(path)
    const fitsKey = cryptoki.mode === "off" ? fitsFileKey(cloud.device.keyPath) : yield* askToken
    const pending = yield* examinePending(settings, fitsKey)
    // A renewed certificate is tried first: the old one may have expired, or be for the previous key.
    if (pending.kind !== "usable") yield* Effect.andThen(inItsTime(path, ofCloud(settings)), fitsKey(path))
    return pending
  })

/** Two profiles of a cloud must not be the same device there, nor share topics or ports here. */
export const refuseCollisions = (
  peers: ConnectPeers,
  { cloud }: CloudConnection
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { profiles, leftOut } = yield* peers.config.ask(
      "ReadProfiles",
      { cloud: cloud.name, secrets: "optional" },
      { within: "10 seconds" }
    )
    for (const { failure } of leftOut) yield* peers.show({ _tag: "Warned", failure })
    const configured = profiles.filter((one) => one.cloud.url !== undefined)
    const same = (what: (one: CloudSettings) => string | undefined, keys: ReadonlyArray<string>) =>
      Effect.forEach(repeated(configured, what), ({ value, sharing }) =>
        Effect.fail(
          new ProfilesCollide({
            value,
            keys: sharing.flatMap((one) => keys.map((key) => `${one.cloud.prefix}.${key}`))
          })
        )
      )
    yield* same(({ cloud: { url, device } }) => device.id && `${url} ${device.id}`, ["url", "device.id"])
    yield* same((one) => one.cloud.topicPrefix, ["bridge.topic_prefix"])
    if (cloud.name === "c8y")
      yield* same(({ cloud: { httpProxyPort } }) => httpProxyPort?.toString(), ["proxy.bind.port"])
  })

const repeated = <A>(
  all: ReadonlyArray<A>,
  read: (one: A) => string | undefined
): ReadonlyArray<{ readonly value: string; readonly sharing: ReadonlyArray<A> }> =>
  [...new Set(all.flatMap((one) => read(one) ?? []))]
    .map((value) => ({ value, sharing: all.filter((one) => read(one) === value) }))
    .filter(({ sharing }) => sharing.length > 1)

/** `mosquitto version 2.0.11`, first line of its help. */
const findMosquittoVersion = (peers: ConnectPeers): Effect.Effect<string | undefined> => {
  const path = peers.findExecutable("mosquitto")
  if (path === undefined) return Effect.succeed(undefined)
  return Effect.map(runCommand([path, "-h"], 5000), (end) =>
    end.kind === "exited" ? /mosquitto version (\S+)/.exec(end.stdout)?.[1] : undefined
  )
}

type Credentials =
  | { readonly kind: "read"; readonly username: string; readonly password: Redacted.Redacted<string> }
  | { readonly kind: "unusable"; readonly failure: CredentialUnusable }

/** Of basic authentication: `[c8y] username`, `password` in credentials.toml. */
const readCredentials = (path: string): Effect.Effect<Credentials> =>
  Effect.sync(() => {
    const read = readTomlFile(path)
    switch (read.kind) {
      case "absent":
        return unusable(path, "missing", "ENOENT")
      case "unreadable":
        return unusable(path, fileFault(read.code) ?? "noPermission", read.code)
      case "malformed":
        return unusable(path, "malformed", `line ${read.line}, column ${read.column}`)
      case "read":
        return fromTable(path, read.tree.c8y)
    }
  })

const fromTable = (path: string, table: unknown): Credentials => {
  if (typeof table !== "object" || table === null) return unusable(path, "malformed", "there is no table [c8y]")
  const { username, password } = table as { readonly username?: unknown; readonly password?: unknown }
  return typeof username === "string" && typeof password === "string"
    ? { kind: "read", username, password: Redacted.make(password) }
    : unusable(path, "malformed", "[c8y] needs username and password")
}

const unusable = (path: string, reason: CredentialUnusable["reason"], detail: string): Credentials => ({
  kind: "unusable",
  failure: new CredentialUnusable({ path, role: "credentials", reason, detail })
})
