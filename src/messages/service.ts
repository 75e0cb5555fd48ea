/** Protocol of ServiceActor: it keeps one program running in the runner of a built-in service. */
import { Data } from "effect"
import type { Tell } from "../runtime/protocol.ts"

export type ServiceProtocol = {
  /** Forwarded to the program. */
  readonly Signal: Tell<{ readonly signal: "SIGHUP" | "SIGUSR1" }>
}

/** The program exited unexpectedly. */
export class ServiceEnded extends Data.TaggedError("ServiceEnded")<{
  readonly command: string
  readonly code: number | undefined
  readonly signal: string | undefined
}> {}

/** The program could not be started: `ENOENT`, `EACCES` and the like. */
export class ServiceNotStarted extends Data.TaggedError("ServiceNotStarted")<{
  readonly command: string
  readonly code: string
}> {}
