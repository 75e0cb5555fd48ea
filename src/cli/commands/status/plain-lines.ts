/** `tedge status --watch` without a terminal: every second one line per connection and service. */
import { terminalLine } from "../../../messages/explain/explanation.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { bytes, perSecond, rate, span } from "./in-words.ts"
import type { ConnectionReport, ServiceReport, StatusReport } from "./report.ts"

export const plainLines = ({ at, connections, services, note, hint }: StatusReport): ReadonlyArray<string> => {
  const time = new Date(at).toISOString()
  return [
    ...(note === undefined ? [] : [`${time} ${terminalLine({ error: note, ...(hint !== undefined && { hint }) })}`]),
    ...connections.map((one) => `${time} ${nameOf(one)}: ${connection(one, at)}`),
    ...services.map((one) => `${time} ${one.name}: ${service(one, at)}`)
  ].map(shownText)
}

export const nameOf = ({ cloud, profile }: Pick<ConnectionReport, "cloud" | "profile">): string =>
  profile === undefined ? cloud : `${cloud}@${profile}`

const connection = ({ state, bad, service }: ConnectionReport, at: number): string => {
  const { snapshot } = service
  const bridge = snapshot?.bridge
  if (bridge === undefined) return `${state}${reason(service.error)}`
  const ways = (["outbound", "inbound"] as const).map((way) => {
    const facts = bridge[way]
    const { messages, octets } = perSecond(facts.history)
    return `${way} ${rate(messages)} msg/s ${bytes(octets)}/s, ${facts.waiting} waiting`
  })
  const why = state === "up" ? "" : reason(snapshot?.connection?.link.error ?? snapshot?.broker?.error)
  return `${state} for ${span(at - bridge.since)}${why}${faults(bad && state === "up")}; ${ways.join("; ")}`
}

const service = ({ state, bad, idle, error, snapshot }: ServiceReport, at: number): string => {
  if (idle) return `${state}, idle`
  if (snapshot === undefined) return `${state}${reason(error)}`
  return `${state} for ${span(at - snapshot.service.started_at)}${faults(bad)}; ${snapshot.key?.signatures.count ?? 0} signatures`
}

const faults = (isBad: boolean): string => (isBad ? " with faults" : "")

const reason = (error: string | undefined): string => (error === undefined ? "" : ` (${error})`)
