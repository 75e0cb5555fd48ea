/** Parses the lines of a service's response to `snapshot` and `stream`. Loaded by clients, not by services. */
import { Exit, Schema } from "effect"
import { EventLine, type StatusEvent } from "./event.ts"
import { Snapshot } from "./snapshot.ts"

export type StatusLine =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "event"; readonly event: StatusEvent }
  /** A service of another version, or one that does not know the request. */
  | { readonly kind: "refused"; readonly error: string }
  /** An event unknown to this version, or not a line of a service at all. */
  | { readonly kind: "unknown" }

export const parseStatusLine = (line: string): StatusLine => {
  const value = parsed(line)
  const snapshot = decodeSnapshot(value)
  if (Exit.isSuccess(snapshot)) return { kind: "snapshot", snapshot: snapshot.value }
  const event = decodeEvent(value)
  if (Exit.isSuccess(event)) return { kind: "event", event: event.value.event }
  const refusal = decodeRefusal(value)
  return Exit.isSuccess(refusal) ? { kind: "refused", error: refusal.value.error } : { kind: "unknown" }
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // not JSON
  }
}

const decodeSnapshot = Schema.decodeUnknownExit(Snapshot)
const decodeEvent = Schema.decodeUnknownExit(EventLine)
const decodeRefusal = Schema.decodeUnknownExit(Schema.Struct({ error: Schema.String }))
