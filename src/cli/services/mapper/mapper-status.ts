/** The status snapshot of a mapper: its connection, key, bridge and local broker. */
import { Clock, Effect } from "effect"
import type { SignedAttempt } from "../../../actors/mqtt/broker-connection.ts"
import { certificateFacts } from "../../../actors/status/certificate-facts.ts"
import { linkFacts } from "../../../actors/status/link-facts.ts"
import { linkEvent, tokenEvent } from "../../../actors/status/status-events.ts"
import type { StatusFeed } from "../../../actors/status/status-feed.ts"
import { type KeyPlace, TokenBook } from "../../../actors/status/token-book.ts"
import type { BridgeReport } from "../../../messages/bridge.ts"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import type { LinkStatus, Side, TlsIdentity } from "../../../messages/mqtt.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import type { CertificateFacts, Timeline } from "../../../messages/status/snapshot.ts"
import type { StatusParts } from "../../../messages/status/status.ts"
import { earlier, eventTime, present } from "../../../runtime/primitives/event-time.ts"
import type { Mapper } from "./mapper-graph.ts"
import type { MapperPlan } from "./mapper-plan.ts"

interface MapperStatus {
  readonly onSigned: (attempt: SignedAttempt) => Effect.Effect<void>
  readonly onToken: (event: CryptokiEvent) => Effect.Effect<void>
  readonly onLink: (side: Side, status: LinkStatus, date: number) => void
  readonly parts: (
    mapper: Pick<Mapper, "bridge">
  ) => (asked: { readonly watched: boolean }) => Effect.Effect<StatusParts>
}

export const mapperStatus = (
  settings: CloudSettings,
  { cloudLink, localLink }: MapperPlan,
  feed: StatusFeed
): MapperStatus => {
  const book = new TokenBook()
  let signature: Timeline | undefined
  const identity = cloudLink.target.tls?.identity
  const place = keyPlace(settings, identity)
  const key = place.via === "module" || place.via === "socket" ? "token" : place.via
  return {
    onSigned: (attempt) =>
      Effect.map(Clock.Clock, (clock) => {
        const now = eventTime(clock)
        const made = timelineOf(attempt, now.wallMs)
        signature = made
        for (const hop of attempt.hops) {
          if (hop.name !== "sign") continue
          const outcome = hop.isOk ? "ok" : attempt.outcome
          const begun = earlier(now, made.took_ms - hop.at_ms)
          book.signed({ token: hop.token, begun, tookMs: hop.took_ms, outcome })
        }
        feed.publish({ event: "signature", signature: made })
      }),
    onToken: (event) =>
      Effect.map(Clock.Clock, (clock) => {
        const now = eventTime(clock)
        book.note(event, now)
        const streamed = tokenEvent(event, now.wallMs)
        if (streamed !== undefined) feed.publish(streamed)
      }),
    onLink: (side, status, date) => feed.publish(linkEvent(side, status, date)),
    parts:
      ({ bridge }) =>
      ({ watched }) =>
        bridge.ask("Report", { sample: watched }, { within: "800 millis" }).pipe(
          Effect.map((report) =>
            ofBridge(settings, { cloudLink, localLink }, report, certificateOf(settings, identity, key))
          ),
          Effect.catch(() => Effect.succeed<StatusParts>({ silent: true })),
          Effect.flatMap((parts) =>
            Effect.map(Clock.Clock, (clock) => ({
              ...parts,
              key: book.facts(place, present(clock)),
              ...(signature !== undefined && { signature })
            }))
          )
        )
  }
}

const ofBridge = (
  { cloud }: CloudSettings,
  { cloudLink, localLink }: Pick<MapperPlan, "cloudLink" | "localLink">,
  report: BridgeReport,
  certificate: CertificateFacts | undefined
): StatusParts => {
  const { health, since, outbound, inbound, message } = report
  const { status } = report.cloud
  return {
    connection: {
      cloud: cloud.name,
      ...(cloud.profile !== undefined && { profile: cloud.profile }),
      device_id: cloudLink.target.clientId,
      link: linkFacts(cloudLink.target, report.cloud),
      ...(status._tag === "Up" && status.handshake !== undefined && { handshake: status.handshake }),
      ...(certificate !== undefined && { certificate })
    },
    bridge: { state: health, since, outbound, inbound },
    broker: linkFacts(localLink.target, report.local),
    ...(message !== undefined && { message })
  }
}

const certificateOf = (
  { certificate }: CloudSettings,
  identity: TlsIdentity | undefined,
  key: CertificateFacts["key"]
): CertificateFacts | undefined =>
  identity === undefined || identity.kind === "none"
    ? undefined
    : certificateFacts(identity.certPath, key, certificate.minimumValidityMs)

const keyPlace = ({ cryptoki }: CloudSettings, identity: TlsIdentity | undefined): KeyPlace => {
  if (identity === undefined || identity.kind === "none") return { via: "none" }
  if (identity.kind === "keyFile") return { via: "file", path: identity.keyPath }
  const { uri = cryptoki.uri } = identity.key
  const named = uri === undefined ? {} : { uri: shownUri(uri) }
  if (cryptoki.mode === "socket") return { via: "socket", path: cryptoki.socketPath, ...named }
  return { via: "module", ...(cryptoki.modulePath !== undefined && { path: cryptoki.modulePath }), ...named }
}

/** It ended now. */
const timelineOf = ({ host, hops, outcome }: SignedAttempt, now: number): Timeline => {
  const took_ms = Math.max(0, ...hops.map((hop) => hop.at_ms + hop.took_ms))
  return {
    at: Math.round(now - took_ms),
    took_ms,
    about: host,
    outcome,
    hops: hops.map(({ isOk: _, token: __, ...hop }) => hop)
  }
}
