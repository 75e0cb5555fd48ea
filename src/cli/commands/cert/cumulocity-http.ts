/**
 * The HTTPS services of Cumulocity for certificates: EST enrolment, and the tenant's trusted certificates.
 *
 * Source: RFC 7030, 4.2 (simple enrolment: base64 PKCS#10 in, base64 PKCS#7 out); Cumulocity, Trusted certificates.
 */

import { X509Certificate } from "node:crypto"
import { Effect, Redacted } from "effect"
import { readTrusted } from "../../../actors/mqtt/dial/credentials.ts"
import { EnrolmentResponseInvalid, HostInvalid, HttpRefused } from "../../../messages/certificate.ts"
import { neededSetting } from "../../../messages/config.ts"
import { parseHostPort, printHostPort } from "../../../messages/settings/host-port.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { type HttpsRequest, httpsRequest, type RequestProxy, shownUrl } from "../../../platform/network/https-client.ts"
import { deviceCertificate } from "../../../platform/tls/device-certificate.ts"
import type { TrustStore } from "../../../platform/tls/trust-store.ts"
import { certificatesOf } from "../../../platform/tls/x509.ts"
import type { DeviceKey } from "./device-key.ts"

export interface CloudHttp {
  /** `https://host:port`. */
  readonly origin: string
  readonly trusted: TrustStore
  readonly proxy: RequestProxy | undefined
}

export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted<string>
}

/** The tenant's HTTPS address. `host`: `--url`, instead of the settings. */
export const cloudHttp = (settings: CloudSettings, host: string | undefined) =>
  Effect.gen(function* () {
    const trusted = yield* readTrusted(settings.cloud.rootCertPath)
    const http =
      host === undefined
        ? yield* neededSetting(`${settings.cloud.prefix}.url`, settings.cloud.http)
        : parseHostPort(host, 443)
    if (typeof http === "string") return yield* new HostInvalid({ option: "--url", text: host ?? "" })
    return { origin: `https://${printHostPort(http)}`, trusted, proxy: settings.proxy } satisfies CloudHttp
  })

/** `withinMs`: a shorter limit than the default. */
export const enrol = (http: CloudHttp, request: string, login: Login, withinMs: number) =>
  certificates(http, "/.well-known/est/simpleenroll", request, {
    basicAuth: login,
    withinMs: Math.min(withinMs, longestMs)
  })

export const reenrol = (http: CloudHttp, request: string, deviceToken: Redacted.Redacted<string>) =>
  certificates(http, "/.well-known/est/simplereenroll", request, {
    withinMs: longestMs,
    headers: { authorization: `Bearer ${Redacted.value(deviceToken)}` }
  })

/** The tenant id of the user. */
export const currentTenant = (http: CloudHttp, login: Login) =>
  Effect.gen(function* () {
    const url = `${http.origin}/tenant/currentTenant`
    const answer = yield* send(http, { method: "GET", url, headers: { accept: "application/json" }, basicAuth: login })
    const tenant = property(answer.body, "name")
    return tenant ?? (yield* new EnrolmentResponseInvalid({ url: shownUrl(url), reason: "notJson" }))
  })

/** Returns whether the certificate was added. */
export const trustCertificate = (http: CloudHttp, tenant: string, deviceId: string, pem: string, login: Login) => {
  const url = `${http.origin}/tenant/tenants/${encodeURIComponent(tenant)}/trusted-certificates`
  const body = JSON.stringify({
    name: deviceId,
    certInPemFormat: pem,
    autoRegistrationEnabled: true,
    status: "ENABLED"
  })
  const headers = { "content-type": "application/json", accept: "application/json" }
  return send(http, { method: "POST", url, headers, basicAuth: login, body }).pipe(
    Effect.as<"added" | "present">("added"),
    Effect.catchIf(
      (failure) => failure._tag === "HttpRefused" && failure.status === 409,
      () => Effect.succeed<"added" | "present">("present")
    )
  )
}

const certificates = (
  http: CloudHttp,
  path: string,
  request: string,
  by: {
    readonly basicAuth?: Login
    readonly headers?: Readonly<Record<string, string>>
    readonly withinMs: number
  }
) =>
  Effect.gen(function* () {
    const url = `${http.origin}${path}`
    const headers = { "content-type": "application/pkcs10", ...by.headers }
    const body = request.replace(/-----[^-]+-----/g, "").trim()
    const wanted = { method: "POST", url, headers, basicAuth: by.basicAuth, body } as const
    const answer = yield* send(http, wanted, by.withinMs)
    const found = certificatesOf(Buffer.from(answer.body.toString("latin1"), "base64"))
    return found ?? (yield* new EnrolmentResponseInvalid({ url: shownUrl(url), reason: "notPkcs7" }))
  })

const longestMs = 30_000

const send = (http: CloudHttp, wanted: Omit<HttpsRequest, "trusted" | "proxy" | "withinMs">, withinMs = longestMs) =>
  Effect.flatMap(httpsRequest({ ...wanted, trusted: http.trusted, proxy: http.proxy, withinMs }), (answer) =>
    answer.status >= 200 && answer.status < 300
      ? Effect.succeed(answer)
      : Effect.fail(
          new HttpRefused({
            method: wanted.method,
            url: shownUrl(wanted.url),
            status: answer.status,
            detail: (property(answer.body, "message") ?? "").slice(0, 300)
          })
        )
  )

/** A string property of a JSON object; undefined: anything else. */
const property = (body: Buffer, name: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"))
    if (typeof value !== "object" || value === null) return undefined
    const found: unknown = Reflect.get(value, name)
    return typeof found === "string" ? found : undefined
  } catch {
    return undefined // not JSON: the server is not Cumulocity, or a proxy responded
  }
}

/** The device's own certificate among those a CA issued; it must match the key. Before anything is saved. */
export const leafFor = (
  found: ReadonlyArray<string>,
  key: DeviceKey,
  { origin }: CloudHttp
): Effect.Effect<X509Certificate, EnrolmentResponseInvalid> =>
  Effect.gen(function* () {
    const refusal = (reason: EnrolmentResponseInvalid["reason"]) =>
      new EnrolmentResponseInvalid({ url: origin, reason })
    const certificates = yield* Effect.try({
      try: () => found.map((pem) => new X509Certificate(pem)),
      catch: () => refusal("notPkcs7")
    })
    const leaf = deviceCertificate(certificates)
    if (leaf === undefined) return yield* refusal("noCertificate")
    const own = leaf.publicKey.export({ type: "spki", format: "der" })
    return own.equals(key.publicKey) ? leaf : yield* refusal("otherKey")
  })
