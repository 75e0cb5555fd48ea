/** The rows of a service: its key and tokens, its clients, its process. */
import type { KeyFacts, SignatureFacts, TokenFacts } from "../../../messages/status/snapshot.ts"
import { isGivenUp } from "../../../messages/status/verdict.ts"
import { bytes, duration, span } from "./in-words.ts"
import type { ServiceReport } from "./report.ts"
import { bad, doubtful, heading, type Part, type Row, row } from "./rows.ts"

export const serviceRows = (service: ServiceReport, at: number): ReadonlyArray<Row> => {
  const { name, state, error, hint, snapshot, idle } = service
  const { clients, key } = snapshot ?? {}
  const since = snapshot?.service.started_at ?? (state === "up" ? undefined : service.since)
  return [
    heading(
      name,
      service,
      idle ? "and idle: its first client starts it" : since === undefined ? "" : `for ${span(at - since)}`
    ),
    ...row("why", error === undefined ? undefined : bad(error)),
    ...row("next step", hint),
    ...(key === undefined ? [] : keyRows(key, at, undefined)),
    ...row(
      "clients",
      clients && `${clients.connections} connected`,
      clients && `${clients.served} served`,
      clients && clients.refused > 0 ? `${clients.refused} refused` : undefined
    ),
    ...managedRows(service, at)
  ]
}

export const keyRows = (
  { via, path, uri, signatures, tokens }: KeyFacts,
  at: number,
  handshake: "signed" | "resumed" | undefined
): ReadonlyArray<Row> => {
  const place = { module: "in this service", socket: "through the signing service", file: "in a file", none: "" }[via]
  return via === "none"
    ? row("key", "none: the connection uses a password")
    : [
        ...row("key", uri, place, path),
        ...(via === "file"
          ? []
          : row(
              "signatures",
              ...signatureParts(signatures, at),
              handshake === "resumed" ? "the TLS session was resumed without one" : undefined
            )),
        ...tokens.flatMap((token) => row("token", ...tokenParts(token, at, tokens.length > 1)))
      ]
}

const signatureParts = (
  { count, failed, last }: SignatureFacts,
  at: number
): ReadonlyArray<Part | string | undefined> => [
  `${count} since the start`,
  failed === 0 ? undefined : doubtful(`${failed} failed`),
  last === undefined
    ? undefined
    : last.outcome === "ok"
      ? `the last took ${duration(last.took_ms)}, ${span(at - last.at)} ago`
      : bad(`the last failed ${span(at - last.at)} ago: ${last.outcome}`)
]

const tokenParts = (
  { token, state, since, reason, pin, signatures }: TokenFacts,
  at: number,
  isOneOfMany: boolean
): ReadonlyArray<Part | string | undefined> => {
  const how = since === undefined ? "" : ` for ${span(at - since)}`
  return [
    `'${token}'`,
    {
      there: "there",
      gone: bad(`gone${how}${reason === undefined ? "" : ` (${reason})`}`),
      waiting: doubtful(`signing, or waiting for a touch${how}`),
      unknown: doubtful("not seen yet")
    }[state],
    {
      ok: "PIN accepted",
      latched: bad("PIN refused, not tried again"),
      locked: bad("PIN locked"),
      unknown: "PIN not used yet"
    }[pin],
    isOneOfMany ? `${signatures.count} signatures` : undefined
  ]
}

export const managedRows = ({ name, manager, snapshot }: ServiceReport, at: number): ReadonlyArray<Row> => {
  if (snapshot === undefined) return row("service", name, manager)
  const { version, pid, started_at, memory } = snapshot.service
  return [
    ...row(
      "service",
      `${name} ${version}`,
      manager,
      `up for ${span(at - started_at)}`,
      `${bytes(memory.rss_bytes)} of memory`,
      `process ${pid}`,
      snapshot.silent === true ? doubtful("part of it does not answer") : undefined
    ),
    ...snapshot.actors
      .filter(isGivenUp)
      .flatMap((actor) =>
        row(
          "given up",
          bad(actor.reason === undefined ? actor.name : `${actor.name}: ${actor.reason}`),
          actor.retry_in_ms === undefined ? undefined : `tried again in ${span(actor.retry_in_ms)}`
        )
      )
  ]
}
