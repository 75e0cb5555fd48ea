/** What starts and stops the services of the device: systemd, what system.toml names, or our own (built-in). */
import type { Effect } from "effect"
import type { ServiceCommandFailed, ServiceManagerUnavailable } from "../../../messages/connect.ts"
import type { AddonNotLoaded } from "../../../messages/platform.ts"

/** `AddonNotLoaded`: the built-in manager cannot look at its locks. */
export type ServiceFailure = ServiceCommandFailed | AddonNotLoaded

interface DropIns {
  /** Where the file beside the unit of this service is. */
  readonly path: (service: string) => string
  /** A file counts from then on, for the service's next start. */
  readonly reload: Effect.Effect<void, ServiceFailure>
}

export interface ServiceManager {
  /** For the summary: `systemd`, `built-in`, or the name in system.toml. */
  readonly name: string
  readonly checkAvailable: Effect.Effect<void, ServiceManagerUnavailable>
  readonly isActive: (service: string) => Effect.Effect<boolean, ServiceFailure>
  readonly start: (service: string) => Effect.Effect<void, ServiceFailure>
  readonly stop: (service: string) => Effect.Effect<void, ServiceFailure>
  readonly restart: (service: string) => Effect.Effect<void, ServiceFailure>
  readonly enable: (service: string) => Effect.Effect<void, ServiceFailure>
  readonly disable: (service: string) => Effect.Effect<void, ServiceFailure>
  /** What would be started with the system; undefined: the manager does that itself. */
  readonly enabled: Effect.Effect<ReadonlyArray<string>> | undefined
  /** How a service of thin-edge.io gets a variable: from a file, with the command that starts it, or by hand. */
  readonly variables: DropIns | "inCommand" | "byHand"
  /** Its process; undefined: it does not run, or the manager does not say. */
  readonly process: (service: string) => Effect.Effect<number | undefined>
  /** Why it ended, in its own last words, while it is down or waits to be started again; undefined: it runs, or that cannot be known. */
  readonly whyItEnds: (service: string) => Effect.Effect<string | undefined>
  /** Where a person finds out why a service does not do its work. */
  readonly whereToLook: (service: string) => string
  /** Does this manager make the local broker run? The built-in one leaves a broker alone that something else started. */
  readonly ownsBroker: (answering: boolean) => Effect.Effect<boolean>
}
