/** Whether something needs a person: the one verdict for the screen, `--json`, the exit code and the page. */
import type { ActorNode, CertificateFacts, Snapshot, TokenFacts } from "./snapshot.ts"

export type State = "up" | "down" | "unknown"

interface Judged {
  /** Of the service, or of its connection. */
  readonly state: State
  readonly snapshot?: Pick<Snapshot, "at" | "connection" | "bridge" | "key" | "actors"> | undefined
}

/** A service that is up may be bad: its token is missing, its certificate is invalid, or one of its actors is parked. */
export const isBad = ({ state, snapshot }: Judged): boolean => {
  if (state === "down" || snapshot?.bridge?.state === "down") return true
  if (snapshot !== undefined && isCertificateBad(snapshot.connection?.certificate, snapshot.at)) return true
  return (snapshot?.key?.tokens ?? []).some(isTokenBad) || (snapshot?.actors ?? []).some(isGivenUp)
}

/** Of a connection: it is up when messages can flow. */
export const connectionState = ({ state, snapshot }: Judged): State =>
  state === "up" ? (snapshot?.bridge?.state ?? "unknown") : state

/** The next handshake will fail. `at`: now. */
export const isCertificateBad = (certificate: CertificateFacts | undefined, at: number): boolean =>
  certificate !== undefined && (at < certificate.valid_from || at > certificate.valid_until)

export const isTokenBad = ({ state, pin }: Pick<TokenFacts, "state" | "pin">): boolean =>
  state === "gone" || pin === "latched" || pin === "locked"

export const isGivenUp = ({ state }: Pick<ActorNode, "state">): boolean => state === "parked"
