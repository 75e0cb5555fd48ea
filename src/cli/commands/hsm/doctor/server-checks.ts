/** The checks of `tedge hsm doctor` about the cloud: resolvable, reachable, trusted, and the device's clock. */
import { Effect } from "effect"
import { readTrusted } from "../../../../actors/mqtt/dial/credentials.ts"
import { tlsFailure } from "../../../../actors/mqtt/dial/tls-failure.ts"
import { neededSetting } from "../../../../messages/config.ts"
import { DialFailed, TlsFailed } from "../../../../messages/mqtt.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { probeTls, type TlsProbe } from "../../../../platform/tls/tls-probe.ts"
import { dateNow } from "../../../../runtime/primitives/wall-time.ts"
import type { Examination } from "./examination.ts"

export const serverChecks = (examination: Examination, { cloud, proxy }: CloudSettings): Effect.Effect<void> =>
  Effect.gen(function* () {
    const server = yield* examination.check(
      "cloud",
      neededSetting(`${cloud.prefix}.url`, cloud.mqtt),
      ({ host, port }) => `${host}:${port}${proxy === undefined ? "" : ` through the proxy ${proxy.url}`}`
    )
    const trusted = yield* examination.check(
      "trusted certificates",
      readTrusted(cloud.rootCertPath),
      ({ certificates }) => `${certificates.length} in ${cloud.rootCertPath}`
    )
    if (server === undefined || trusted === undefined) return
    const probe = yield* probeTls({ ...server, trusted, proxy, withinMs: 10_000 })
    yield* examination.check("cloud is reachable and trusted", judged(probe, server), (protocol) => protocol)
    if (probe.kind === "trusted") yield* clock(examination, probe)
  })

const judged = (probe: TlsProbe, server: { readonly host: string; readonly port: number }) => {
  switch (probe.kind) {
    case "trusted":
      return Effect.succeed(probe.protocol)
    case "notReached":
      return Effect.fail(new DialFailed({ ...server, code: probe.code, detail: probe.detail }))
    case "notTrusted":
      return Effect.fail(
        tlsFailure(Object.assign(new Error(probe.detail), { code: probe.code }), server) ??
          new TlsFailed({ ...server, reason: "serverNotTrusted", detail: probe.code })
      )
  }
}

/** The device has no second clock to compare with; a time outside the server certificate's validity is certainly wrong. */
const clock = (examination: Examination, probe: Extract<TlsProbe, { readonly kind: "trusted" }>) =>
  Effect.gen(function* () {
    const now = yield* dateNow
    yield* now >= probe.validFrom && now <= probe.validTo
      ? examination.pass("clock", `${now.toISOString()}, within the validity of the cloud's certificate`)
      : examination.fail("clock", {
          error: `${now.toISOString()} is outside of the validity of the cloud's certificate`,
          hint: "set the clock: timedatectl set-ntp true"
        })
  })
