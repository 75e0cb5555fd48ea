/** What StatusActor understands: it shows a service to people who ask on its socket. */
import type { Ask } from "../../runtime/protocol.ts"
import type { Snapshot } from "./snapshot.ts"

export type StatusProtocol = {
  /** `watched`: asked again soon, so that a message on its way may be sampled for the next one. */
  readonly Snapshot: Ask<{ readonly watched: boolean }, Snapshot>
}

/** The parts of a snapshot that depend on the service. */
export type StatusParts = Partial<
  Pick<Snapshot, "connection" | "key" | "bridge" | "broker" | "clients" | "signature" | "message" | "silent">
>
