/**
 * "Checking Cumulocity is connected to intended tenant": the issuer of the returned token.
 *
 * The token is the response of the connection check; it is a secret of the device and is never printed.
 * Source: RFC 7519, section 4.1.1 (`iss`).
 */
import { Effect } from "effect"
import { TenantMismatch } from "../../../messages/connect.ts"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import type { ValidConnection } from "../cloud-connection.ts"
import { payloadText } from "../conversation.ts"

export const checkTenant = (
  { host, settings }: ValidConnection,
  answer: MqttMessage
): Effect.Effect<void, TenantMismatch> => {
  const mqttHost = host.host
  const httpHost = settings.cloud.http?.host ?? mqttHost
  const issuer = issuerOf(payloadText(answer))
  if (issuer !== undefined && [mqttHost, httpHost].some((name) => name.toLowerCase() === issuer.toLowerCase()))
    return Effect.void
  return Effect.fail(
    new TenantMismatch({
      issuer: issuer ?? "a tenant without a name in its token",
      mqttHost,
      httpHost,
      profile: settings.cloud.profile
    })
  )
}

/** `71,<header>.<claims>.<signature>`; the host in `iss`, without scheme, port and path. */
const issuerOf = (payload: string): string | undefined => {
  const [, claims = ""] = payload.slice("71,".length).split(".")
  try {
    const { iss } = JSON.parse(Buffer.from(claims, "base64url").toString("utf8")) as { readonly iss?: unknown }
    if (typeof iss !== "string") return undefined
    return /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^/:?#]+)/i.exec(iss.trim())?.[1]
  } catch {
    return undefined // never printed: it may be a secret in an unknown form
  }
}
