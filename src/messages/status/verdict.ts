/** Whether something needs a person: the one verdict of the screen, `--json`, the exit code and the page. */
import type { ActorNode, Snapshot, TokenFacts } from "./snapshot.ts"

export type State = "up" | "down" | "unknown"

interface Judged {
  /** Of the service, or of its connection. */
  readonly state: State
  readonly snapshot?: Pick<Snapshot, "bridge" | "key" | "actors"> | undefined
}

/** A service that is up may be bad: its token is away, or a part of it was given up. */
export const isBad = ({ state, snapshot }: Judged): boolean => {
  if (state === "down" || snapshot?.bridge?.state === "down") return true
  return (snapshot?.key?.tokens ?? []).some(isTokenBad) || (snapshot?.actors ?? []).some(isGivenUp)
}

export const isTokenBad = ({ state, pin }: Pick<TokenFacts, "state" | "pin">): boolean =>
  state === "gone" || pin === "latched" || pin === "locked"

export const isGivenUp = ({ state }: Pick<ActorNode, "state">): boolean => state === "parked"
