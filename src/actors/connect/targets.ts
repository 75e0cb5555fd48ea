/** The targets of ConnectActor's sessions: directly the cloud as the device, and the local broker. */
import { Effect, Redacted } from "effect"
import { CredentialUnusable, type Target, type TlsIdentity } from "../../messages/mqtt.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
import { readRegularText } from "../../platform/files/read-file.ts"
import { codeOf, fileFault } from "../../platform/process/error-code.ts"
import type { ValidConnection } from "./cloud-connection.ts"

/** Tokens may take many seconds to sign. Source: thin-edge, device creation. */
export const cloudWithinMs = 60_000

/** The parts of a target. */
type Reached = Pick<ValidConnection, "settings" | "deviceId" | "host" | "auth">

export const cloudTarget = (reached: Reached): Target => {
  const { settings, deviceId, host, auth } = reached
  const { cloud, cryptoki, proxy } = settings
  const { certPath, keyPath, key } = cloud.device
  const identity: TlsIdentity =
    auth.kind === "basic"
      ? { kind: "none" }
      : cryptoki.mode === "off"
        ? { kind: "keyFile", certPath, keyPath }
        : { kind: "token", certPath, key }
  return {
    ...host,
    cloud: { name: cloud.name, profile: cloud.profile },
    clientId: deviceId,
    keepalive: 60,
    cleanSession: true,
    ...loginOf(reached),
    tls: { identity, caPath: cloud.rootCertPath },
    ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
    connectWithinMs: cloudWithinMs
  }
}

/** Azure IoT Hub identifies devices with certificates by a user name. Source: thin-edge, mosquitto bridge file. */
const loginOf = ({ auth, settings, deviceId, host }: Reached): Pick<Target, "username" | "password"> => {
  if (auth.kind === "basic") return { username: auth.username, password: auth.password }
  return settings.cloud.name === "az" ? { username: `${host.host}/${deviceId}/?api-version=2018-06-30` } : {}
}

const proxyOf = ({ url, username, password }: NonNullable<Settings["proxy"]>): NonNullable<Target["proxy"]> => ({
  url,
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password })
})

export const localTarget = (
  settings: Settings,
  options: { readonly clientId: string; readonly connectWithinMs: number }
): Effect.Effect<Target, CredentialUnusable> =>
  Effect.gen(function* () {
    const { clientHost, clientPort, clientAuth } = settings.mqtt
    const { caFile, caDir, certFile, keyFile, username, passwordFile } = clientAuth
    const caPath = caFile ?? caDir
    const identity: TlsIdentity =
      certFile !== undefined && keyFile !== undefined
        ? { kind: "keyFile", certPath: certFile, keyPath: keyFile }
        : { kind: "none" }
    const password = passwordFile === undefined ? undefined : yield* readPassword(passwordFile)
    return {
      host: clientHost,
      port: clientPort,
      clientId: options.clientId,
      keepalive: 60,
      cleanSession: true,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(caPath === undefined ? {} : { tls: { identity, caPath } }),
      connectWithinMs: options.connectWithinMs
    }
  })

const readPassword = (path: string): Effect.Effect<Redacted.Redacted<string>, CredentialUnusable> =>
  Effect.try({
    try: () => Redacted.make(readRegularText(path).replace(/\r?\n$/, "")),
    catch: (error) => {
      const code = codeOf(error)
      return new CredentialUnusable({ path, role: "password", reason: fileFault(code) ?? "noPermission", detail: code })
    }
  })
