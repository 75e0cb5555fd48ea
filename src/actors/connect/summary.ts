/** The entries under the title. Source: hsm-support, transcript of `tedge reconnect c8y`; ours come last. */
import { shownUri } from "../../messages/pkcs11-uri.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { bridgeUnit, type ValidConnection } from "./cloud-connection.ts"

export const summary = (connection: ValidConnection): ReadonlyArray<readonly [label: string, value: string]> => {
  const { settings, host, services, mosquittoVersion } = connection
  return [
    ["device id", connection.deviceId],
    ["cloud profile", connection.profile ?? "<none>"],
    ["cloud host", `${host.host.includes(":") ? `[${host.host}]` : host.host}:${host.port}`],
    ...authEntries(connection),
    ["bridge", settings.installation === "everything-ours" ? "built-in" : bridgeUnit(connection)],
    ["service manager", services.name],
    ...(mosquittoVersion === undefined ? [] : [["mosquitto version", mosquittoVersion] as const]),
    ["proxy", proxyText(settings.proxy)],
    ["mapper configuration file", settings.cloud.file],
    ...(connection.auth.kind === "certificate" ? tokenEntries(settings) : [])
  ]
}

const authEntries = ({ auth, settings }: ValidConnection): ReadonlyArray<readonly [string, string]> =>
  auth.kind === "basic"
    ? [
        ["auth type", "Basic"],
        ["credentials path", auth.credentialsPath]
      ]
    : [
        ["auth type", "Certificate"],
        ["certificate file", settings.cloud.device.certPath],
        ["cryptoki", String(settings.cryptoki.mode !== "off")]
      ]

/** The user name is shown, the password is not. */
const proxyText = (proxy: CloudSettings["proxy"]): string => {
  if (proxy === undefined) return "Not configured"
  return proxy.username === undefined ? proxy.url : proxy.url.replace("://", `://${proxy.username}:******@`)
}

const tokenEntries = ({ cloud, cryptoki }: CloudSettings): ReadonlyArray<readonly [string, string]> => {
  if (cryptoki.mode === "off") return []
  const place = cryptoki.mode === "module" ? cryptoki.modulePath : cryptoki.socketPath
  const { uri } = cloud.device.key
  return [
    ["provider", `${cryptoki.mode} (${place ?? ""})`],
    ...(uri === undefined ? [] : [["key uri", shownUri(uri)] as const])
  ]
}
