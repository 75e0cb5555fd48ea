/** The parameters of CryptokiActor. Values come from the settings; nothing here reads a file. */
import type { Effect, Redacted } from "effect"
import type { CryptokiEvent } from "../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import type { HostUser } from "./host/environment.ts"
import type { TracedCall } from "./pkcs11/values.ts"

export interface CryptokiSettings {
  readonly modulePath: string
  /** `device.cryptoki.pin`: for requests without a PIN. There is no default. Read each time: it may change. */
  readonly defaultPin: Redacted.Redacted<string> | undefined
  /** The owner of these settings: a changed PIN there is a person's correction; another program's PIN is not. */
  readonly program?: string
  /** `device.cryptoki.uri`: everything outside is invisible. */
  readonly scope: Pkcs11Uri | undefined
  /** `<run.path>/tedge-pin-latch`. */
  readonly latchDirectory: string
  /** The service's user, who owns the latches even if root creates them; undefined: the process's own. */
  readonly latchOwner?: { readonly uid: number; readonly gid: number } | undefined
  readonly limits: CallLimits
  /** Ends a host that was idle for a minute: saves memory, and frees exclusive readers. For the mapper; the server keeps them. */
  readonly idleHostEnds: boolean
  /** How long after the last request a missing token is polled for, so that TokenPlugged is published. */
  readonly keepPollingMs: number
  /** Hosts get a part of this environment. */
  readonly environment: NodeJS.ProcessEnv
  /** Called for each call of the module. Undefined: no debugging. */
  readonly onCall?: ((call: TracedCall) => void) | undefined
  /** User of hosts started by root: the services' user. Undefined: the caller. */
  readonly hostUser?: HostUser | undefined
}

/**
 * How many requests may wait, in order, for CryptokiActor and for each of its tokens; further ones are refused.
 *
 * CryptokiActor routes a request immediately, so a token that hangs fills its own mailbox only, and the others
 * are still served. In socket mode requests wait for one of the connections to the service.
 */
export const requestMailbox = { capacity: 16_384, overflow: { policy: "refuse" } } as const

/** Time limit of a call, in milliseconds, after which its host is killed. */
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
