/** What `tedge status` says, as cards. */
import type { LinkFacts, Snapshot, TokenFacts } from "../src/messages/status/snapshot.ts"
import { isTokenBad } from "../src/messages/status/verdict.ts"
import { keyLook, keyRows, type Look, linkLook, linkRows, type Row } from "./card-rows.ts"
import { byId, element, rows } from "./dom.ts"
import { bytes, date, duration, milliseconds } from "./format.ts"

export const showCards = (snapshot: Snapshot | undefined): void => {
  byId("cards").replaceChildren(...(snapshot === undefined ? [] : cardsOf(snapshot)))
}

const cardsOf = (snapshot: Snapshot): ReadonlyArray<Node> => {
  const { at, service, connection, bridge, broker, key, clients } = snapshot
  const cards: Array<Node> = []
  if (bridge !== undefined)
    cards.push(
      card("bridge", "Bridge", bridge.state, bridge.state === "up" ? "good" : "bad", [
        [bridge.state === "up" ? "up for" : "down for", duration(at - bridge.since)],
        ["to the cloud", `${bridge.outbound.messages} messages, ${bytes(bridge.outbound.bytes)}`],
        ["from the cloud", `${bridge.inbound.messages} messages, ${bytes(bridge.inbound.bytes)}`],
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
  const certificate = connection?.certificate
  if (certificate !== undefined) {
    const days = Math.floor((certificate.valid_until - at) / 86_400_000)
    const look = days < 0 ? "bad" : at > certificate.renew_from ? "warn" : "good"
    cards.push(
      card("certificate", "Certificate", days < 0 ? "expired" : `${days} days left`, look, [
        ["subject", certificate.subject],
        ["issuer", certificate.issuer],
        ["key", certificate.key],
        ["until", date(certificate.valid_until)],
        ["renew from", date(certificate.renew_from)],
        ["file", certificate.path]
      ])
    )
  }
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
      ["process", String(service.pid)],
      ["runs for", duration(service.uptime_ms)],
      ["memory", `${bytes(service.memory.rss_bytes)}, heap ${bytes(service.memory.heap_bytes)}`]
    ])
  )
  return cards
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
