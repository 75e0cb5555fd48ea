/** The service manager of the device: systemd, the one in system.toml, or our own (built-in). */
import type { Effect } from "effect"
import type { ServiceCommandFailed, ServiceManagerUnavailable } from "../../../messages/connect.ts"
import type { AddonNotLoaded } from "../../../messages/platform.ts"

/** `AddonNotLoaded`: the built-in manager cannot check its locks. */
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
  /** How a service of thin-edge.io gets a variable: from a drop-in, with the command that starts it, or by hand. */
  readonly variables: DropIns | "inCommand" | "byHand"
  /** Its process; undefined: it does not run, or the manager does not report it. */
  readonly process: (service: string) => Effect.Effect<number | undefined>
  /** Its last error, while it is down or waits for a restart; undefined: it runs, or unknown. */
  readonly whyItEnds: (service: string) => Effect.Effect<string | undefined>
  /** Where to find out why a service does not work. */
  readonly whereToLook: (service: string) => string
  /** Whether this manager runs the local broker. The built-in one does not touch a broker that something else started. */
  readonly ownsBroker: (answering: boolean) => Effect.Effect<boolean>
}
