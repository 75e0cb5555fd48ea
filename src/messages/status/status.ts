/** Protocol of StatusActor: it reports the status of a service to clients of its socket. */
import type { Ask } from "../../runtime/protocol.ts"
import type { Snapshot } from "./snapshot.ts"

export type StatusProtocol = {
  /** `watched`: the next request follows soon, so a message may be sampled for it. */
  readonly Snapshot: Ask<{ readonly watched: boolean }, Snapshot>
}

/** The parts of a snapshot that depend on the service. */
export type StatusParts = Partial<
  Pick<Snapshot, "connection" | "key" | "bridge" | "broker" | "clients" | "signature" | "message" | "silent">
>
