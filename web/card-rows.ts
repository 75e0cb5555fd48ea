/** Card rows for a link and for a key. */
import type { KeyFacts, LinkFacts } from "../src/messages/status/snapshot.ts"
import { isRefused, subscriptionFault } from "../src/messages/status/subscription-fault.ts"
import { clock, duration, milliseconds } from "./format.ts"

export type Look = "good" | "bad" | "warn" | ""
export type Row = readonly [string, string | undefined]

export const linkRows = (link: LinkFacts, at: number, more: ReadonlyArray<Row> = []): ReadonlyArray<Row> => [
  ["host", `${link.host}:${link.port}`],
  ...more,
  ["since", `${clock(link.since)}, ${duration(at - link.since)}`],
  ["why", link.error],
  ["try", link.hint],
  ["next try", link.retry_at === undefined ? undefined : `in ${duration(Math.max(0, link.retry_at - at))}`],
  ...(link.faults ?? []).map((fault) => [isRefused(fault) ? "refused" : "granted", subscriptionFault(fault)] as const),
  ["connections", String(link.connections)],
  ["last lost", link.last_lost && `${clock(link.last_lost.at)}: ${link.last_lost.error ?? ""}`]
]

export const linkLook = ({ state, faults = [] }: LinkFacts): Look => {
  if (state === "down" || faults.some(isRefused)) return "bad"
  return state === "up" && faults.length === 0 ? "good" : "warn"
}

export const keyRows = ({ path, uri, signatures }: KeyFacts): ReadonlyArray<Row> => {
  const { count, failed, last, longest_ms } = signatures
  const outcome = last === undefined || last.outcome === "ok" ? "ok" : `failed: ${last.outcome}`
  return [
    ["path", path],
    ["URI", uri],
    ["signatures", `${count}, ${failed} failed`],
    ["last", last && `${outcome}, ${milliseconds(last.took_ms)}, ${clock(last.at)}`],
    ["longest", milliseconds(longest_ms)]
  ]
}

export const keyLook = ({ signatures: { last } }: KeyFacts): Look =>
  last === undefined || last.outcome === "ok" ? "" : "bad"
