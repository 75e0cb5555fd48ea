/** What CryptokiActor is started with. Values come from the settings; nothing here reads a file. */
import type { Effect, Redacted } from "effect"
import type { CryptokiEvent } from "../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import type { HostUser } from "./host/environment.ts"
import type { TracedCall } from "./pkcs11/values.ts"

export interface CryptokiSettings {
  readonly modulePath: string
  /** `device.cryptoki.pin`: for requests without a PIN. There is no default. Read for each: it may change. */
  readonly defaultPin: Redacted.Redacted<string> | undefined
  /** Whose settings these are: a PIN that changes there is a person's correction, and another program's PIN is none. */
  readonly program?: string
  /** `device.cryptoki.uri`: only what it allows exists. */
  readonly scope: Pkcs11Uri | undefined
  /** `<run.path>/tedge-pin-latch`. */
  readonly latchDirectory: string
  /** The service's user, who owns the latches also when root makes them; undefined: the process's own. */
  readonly latchOwner?: { readonly uid: number; readonly gid: number } | undefined
  readonly limits: CallLimits
  /** End a host that was idle for a minute: memory, exclusive readers. For the mapper; the server keeps them. */
  readonly idleHostEnds: boolean
  /** How long after the last request for a missing token it is looked for, so that TokenPlugged is published. */
  readonly keepLookingMs: number
  /** The environment hosts get their part of. */
  readonly environment: NodeJS.ProcessEnv
  /** Called for each call of the module. Undefined: no debugging. */
  readonly onCall?: ((call: TracedCall) => void) | undefined
  /** Whom hosts started by root become: the services' user. Undefined: they stay the caller. */
  readonly hostUser?: HostUser | undefined
}

/**
 * How many requests may wait, in order, for CryptokiActor and for each of its tokens; further ones are refused.
 *
 * CryptokiActor routes a request as soon as it comes, so a token that hangs fills its own mailbox only, and the others
 * are still asked. In socket mode they wait for one of the connections to the service.
 */
export const requestMailbox = { capacity: 16_384, overflow: { policy: "refuse" } } as const

/** How long a call may take before its host is killed, in milliseconds. */
interface CallLimits {
  readonly listMs: number
  readonly initializeMs: number
  readonly loginMs: number
  readonly signMs: number
  readonly generateMs: number
  readonly initTokenMs: number
}

export const defaultLimits: CallLimits = {
  listMs: 10_000,
  initializeMs: 30_000,
  loginMs: 30_000,
  signMs: 60_000,
  generateMs: 600_000,
  initTokenMs: 120_000
}

/** Publishes an event; never waits for subscribers. */
export type Publish = (event: CryptokiEvent) => Effect.Effect<void>
