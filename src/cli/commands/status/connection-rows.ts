/** The rows of one connection. */

import type { CertificateFacts, DirectionFacts, LinkFacts } from "../../../messages/status/snapshot.ts"
import { isRefused, subscriptionFault } from "../../../messages/status/subscription-fault.ts"
import { cloudSummaries } from "../../command-line/command-spec.ts"
import { namedHere } from "../../terminal/terminal.ts"
import { bytes, perSecond, rate, span, sparkline } from "./in-words.ts"
import { nameOf } from "./plain-lines.ts"
import type { ConnectionReport, ServiceReport } from "./report.ts"
import { bad, doubtful, heading, type Part, type Row, row } from "./rows.ts"
import { keyRows, managedRows } from "./service-rows.ts"

export const connectionRows = (one: ConnectionReport, at: number, sparkWidth: number): ReadonlyArray<Row> => {
  const { state, service } = one
  const { snapshot } = service
  const { bridge, broker, connection } = snapshot ?? {}
  const since = bridge?.since ?? service.since
  return [
    heading(`${cloudSummaries[one.cloud]} (${nameOf(one)})`, one, since === undefined ? "" : `for ${span(at - since)}`),
    ...(state === "up" ? wrongSettings(service) : why(one, at)),
    ...row("cloud", host(connection?.link ?? one), connection?.device_id ?? one.device_id),
    ...faultRows(connection?.link),
    ...certificateRow(connection?.certificate ?? one.certificate, at),
    ...(snapshot?.key === undefined ? [] : keyRows(snapshot.key, at, connection?.handshake)),
    ...(bridge === undefined
      ? []
      : [
          ...directionRows("to cloud", bridge.outbound, sparkWidth),
          ...directionRows("from cloud", bridge.inbound, sparkWidth)
        ]),
    ...(connection === undefined ? [] : reconnectRow(connection.link, at)),
    ...row("broker", broker && host(broker), broker && linkState(broker, at)),
    ...faultRows(broker),
    ...managedRows(service, at)
  ]
}

/** It runs with the settings it read before. */
const wrongSettings = ({ error, hint }: ServiceReport): ReadonlyArray<Row> =>
  error === undefined ? [] : [...row("settings", bad(error)), ...row("next step", hint)]

const why = ({ service }: ConnectionReport, at: number): ReadonlyArray<Row> => {
  const { snapshot, error, hint } = service
  const links = [snapshot?.connection?.link, snapshot?.broker].filter(
    (link) => link !== undefined && link.state !== "up"
  )
  return [
    ...row("why", error === undefined ? undefined : bad(error)),
    ...row("next step", hint),
    ...links.flatMap((link) => [
      ...row("why", link?.error === undefined ? undefined : bad(`${host(link)}: ${link.error}`)),
      ...row("next step", link?.hint && namedHere(link.hint)),
      ...row(
        "next try",
        link &&
          (link.retry_at === undefined
            ? `attempt ${link.attempt ?? 1} is being made`
            : `in ${span(Math.max(0, link.retry_at - at))}`)
      )
    ])
  ]
}

const faultRows = (link: LinkFacts | undefined): ReadonlyArray<Row> =>
  (link?.faults ?? []).flatMap((fault) => {
    const text = subscriptionFault(fault)
    return isRefused(fault) ? row("refused", bad(text)) : row("granted", doubtful(text))
  })

const host = ({ host: name, port }: { readonly host?: string; readonly port?: number }): string =>
  name === undefined ? "" : `${name.includes(":") ? `[${name}]` : name}:${port}`

const certificateRow = (certificate: CertificateFacts | undefined, at: number): ReadonlyArray<Row> => {
  if (certificate === undefined) return []
  const { key, issuer, valid_until, valid_from, renew_from } = certificate
  return row(
    "certificate",
    key === "token" ? "its key is in a token" : "its key is in a file",
    at < valid_from
      ? bad(`not valid for another ${span(valid_from - at)}`)
      : at > valid_until
        ? bad(`expired ${span(at - valid_until)} ago`)
        : `${days(valid_until - at)} left`,
    at > renew_from ? doubtful("renewal is due") : `renewal due in ${days(renew_from - at)}`,
    `issued by ${issuer}`
  )
}

const days = (ms: number): string => {
  const whole = Math.floor(ms / 86_400_000)
  return whole >= 2 ? `${whole} days` : span(ms)
}

const directionRows = (label: string, facts: DirectionFacts, sparkWidth: number): ReadonlyArray<Row> => {
  const { messages, octets } = perSecond(facts.history)
  const { waiting, oldest_ms, held_back, dropped, history } = facts
  const line = sparkline(history.messages, sparkWidth)
  return [
    ...row(label, line),
    ...row(
      line === "" ? label : "",
      `${rate(messages)} messages/s`,
      `${bytes(octets)}/s`,
      `${facts.messages} in all`,
      waiting === 0 ? "0 waiting" : doubtful(`${waiting} waiting, the oldest for ${span(oldest_ms)}`),
      held_back === 0 ? undefined : doubtful(`${held_back} refused and held back`),
      dropped === 0 ? undefined : bad(`${dropped} dropped`)
    )
  ]
}

const reconnectRow = ({ connections, last_lost }: LinkFacts, at: number): ReadonlyArray<Row> => {
  if (last_lost === undefined) return []
  const lost = last_lost.error === undefined ? "" : `: ${last_lost.error}`
  return row(
    "reconnects",
    `${Math.max(0, connections - 1)}`,
    `connection last lost ${span(at - last_lost.at)} ago${lost}`
  )
}

const linkState = ({ state, since, error }: LinkFacts, at: number): Part | string => {
  const text = `${state} for ${span(at - since)}`
  return state === "up" ? text : bad(error === undefined ? text : `${text}: ${error}`)
}
