/** The facts of `tedge status` as cards. */
import type { CertificateFacts, LinkFacts, Snapshot, TokenFacts } from "../src/messages/status/snapshot.ts"
import { isCertificateBad, isTokenBad } from "../src/messages/status/verdict.ts"
import { keyLook, keyRows, type Look, linkLook, linkRows, type Row } from "./card-rows.ts"
import { byId, element, rows, update } from "./dom.ts"
import { bytes, date, duration, messages, milliseconds } from "./format.ts"
import { type Report, type Service, secondsBetween } from "./store.ts"

export const showCards = ({ snapshot, before, report }: Service): void =>
  update(byId("cards"), snapshot === undefined ? configuredCards(report) : cardsOf(snapshot, before, report))

/** A connection whose service gave no snapshot: its settings. */
const configuredCards = ({ configured, manager, state }: Report): ReadonlyArray<Node> => {
  const { host, port, device_id, certificate } = configured ?? {}
  return [
    ...(host === undefined
      ? []
      : [
          card("connection", "Cloud", "as set", "", [
            ["host", `${host}:${port ?? ""}`],
            ["device", device_id]
          ])
        ]),
    ...(certificate === undefined ? [] : [certificateCard(certificate, Date.now())]),
    ...(manager === undefined ? [] : [card("about", "Service", state, "", [["manager", manager]])])
  ]
}

const cardsOf = (
  snapshot: Snapshot,
  before: Snapshot | undefined,
  { manager, configured }: Report
): ReadonlyArray<Node> => {
  const { at, service, connection, bridge, broker, key, clients } = snapshot
  const flow = (side: "outbound" | "inbound"): string | undefined => {
    if (bridge === undefined || before?.bridge === undefined) return undefined
    const seconds = secondsBetween(before, snapshot)
    const perSecond = Math.max(0, bridge[side].messages - before.bridge[side].messages) / seconds
    const octets = Math.max(0, bridge[side].bytes - before.bridge[side].bytes) / seconds
    return `${perSecond.toFixed(1)} messages/s, ${bytes(Math.round(octets))}/s`
  }
  const cards: Array<Node> = []
  if (bridge !== undefined)
    cards.push(
      card("bridge", "Bridge", bridge.state, bridge.state === "up" ? "good" : "bad", [
        [bridge.state === "up" ? "up for" : "down for", duration(at - bridge.since)],
        ["to the cloud", `${messages(bridge.outbound.messages)}, ${bytes(bridge.outbound.bytes)}`],
        ["now", flow("outbound")],
        ["from the cloud", `${messages(bridge.inbound.messages)}, ${bytes(bridge.inbound.bytes)}`],
        ["now", flow("inbound")],
        ["waiting", `${bridge.outbound.waiting} out, ${bridge.inbound.waiting} in`],
        ["oldest wait", milliseconds(Math.max(bridge.outbound.oldest_ms, bridge.inbound.oldest_ms))],
        ["held back", String(bridge.outbound.held_back + bridge.inbound.held_back)],
        ["dropped", String(bridge.outbound.dropped + bridge.inbound.dropped)]
      ])
    )
  if (connection !== undefined)
    cards.push(
      linkCard("connection", "Cloud", connection.link, at, [
        ["device", connection.device_id],
        ["profile", connection.profile],
        ["handshake", connection.handshake]
      ])
    )
  if (key !== undefined) cards.push(card("key", "Key", key.via, keyLook(key), keyRows(key)))
  for (const token of key?.tokens ?? []) cards.push(tokenCard(token, at))
  const certificate = connection?.certificate ?? configured?.certificate
  if (certificate !== undefined) cards.push(certificateCard(certificate, at))
  if (broker !== undefined) cards.push(linkCard("broker", "Local broker", broker, at))
  if (clients !== undefined)
    cards.push(
      card("clients", "Clients", `${clients.connections} connected`, "", [
        ["answering", String(clients.answering)],
        ["served", String(clients.served)],
        ["refused", String(clients.refused)],
        ["aborted", String(clients.aborted)]
      ])
    )
  cards.push(
    card("about", "Service", service.name, "", [
      ["version", service.version],
      ["manager", manager],
      ["process", String(service.pid)],
      ["runs for", duration(service.uptime_ms)],
      ["memory", `${bytes(service.memory.rss_bytes)}, heap ${bytes(service.memory.heap_bytes)}`]
    ])
  )
  return cards
}

const certificateCard = (certificate: CertificateFacts, at: number): Node => {
  const { subject, issuer, key, valid_from, valid_until, renew_from, path } = certificate
  const days = Math.floor((valid_until - at) / 86_400_000)
  const state = at < valid_from ? "not valid yet" : at > valid_until ? "expired" : `${days} days left`
  const look = isCertificateBad(certificate, at) ? "bad" : at > renew_from ? "warn" : "good"
  return card("certificate", "Certificate", state, look, [
    ["subject", subject],
    ["issuer", issuer],
    ["key", key],
    ["from", date(valid_from)],
    ["until", date(valid_until)],
    ["renew from", date(renew_from)],
    ["file", path]
  ])
}

const linkCard = (id: string, title: string, link: LinkFacts, at: number, more: ReadonlyArray<Row> = []): Node =>
  card(id, title, link.state, linkLook(link), linkRows(link, at, more))

const tokenCard = ({ token, state, since, reason, pin, signatures }: TokenFacts, at: number): Node => {
  const look = isTokenBad({ state, pin }) ? "bad" : state === "there" ? "good" : "warn"
  return card("token", `Token ${token}`, state, look, [
    ["since", since === undefined ? undefined : duration(at - since)],
    ["why", reason],
    ["PIN", pin === "unknown" ? "not used yet" : pin],
    ["signatures", String(signatures.count)]
  ])
}

const card = (id: string, title: string, state: string, look: Look, entries: ReadonlyArray<Row>): Node =>
  element(
    "section",
    { class: `card ${look}`, "data-card": id },
    element("h2", {}, title, element("span", { class: "state" }, state)),
    element("dl", {}, ...rows(entries))
  )
