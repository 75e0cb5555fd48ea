/** What starts and stops the services of the device: systemd, what system.toml names, or our own (built-in). */
import type { Effect } from "effect"
import type { ServiceCommandFailed, ServiceManagerUnavailable } from "../../../messages/connect.ts"

export interface ServiceManager {
  /** For the summary: `systemd`, `built-in`, or the name in system.toml. */
  readonly name: string
  readonly checkAvailable: Effect.Effect<void, ServiceManagerUnavailable>
  readonly isActive: (service: string) => Effect.Effect<boolean, ServiceCommandFailed>
  readonly start: (service: string) => Effect.Effect<void, ServiceCommandFailed>
  readonly stop: (service: string) => Effect.Effect<void, ServiceCommandFailed>
  readonly restart: (service: string) => Effect.Effect<void, ServiceCommandFailed>
  readonly enable: (service: string) => Effect.Effect<void, ServiceCommandFailed>
  readonly disable: (service: string) => Effect.Effect<void, ServiceCommandFailed>
  /** What would be started with the system; undefined: the manager does that itself. */
  readonly enabled: Effect.Effect<ReadonlyArray<string>> | undefined
  /** Where a person finds out why a service does not do its work. */
  readonly whereToLook: (service: string) => string
  /** Does this manager make the local broker run? The built-in one leaves a broker alone that somebody else started. */
  readonly ownsBroker: (answering: boolean) => Effect.Effect<boolean>
}
