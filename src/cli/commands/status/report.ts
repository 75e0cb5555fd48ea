/** The result of `tedge status`, as `--json` prints it, and its verdict. Times are milliseconds since 1970. */
import type { CertificateFacts, Snapshot } from "../../../messages/status/snapshot.ts"
import type { State } from "../../../messages/status/verdict.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"

export interface ServiceReport {
  readonly name: string
  readonly state: State
  /** Needs a person, even if it is up. */
  readonly bad: boolean
  /** Not running; socket activation starts it on the first connection. */
  readonly idle?: true
  /** `systemd`, `built-in`, or the name in system.toml. */
  readonly manager?: string
  /** As the service manager reports it. */
  readonly since?: number
  /** Why it is down; if it is up, why its settings are invalid. */
  readonly error?: string
  readonly hint?: string
  readonly snapshot?: Snapshot
}

export interface ConnectionReport {
  readonly cloud: "c8y" | "az" | "aws"
  readonly profile?: string
  readonly state: State
  readonly bad: boolean
  /** From the settings, if the service does not report it. */
  readonly host?: string
  readonly port?: number
  readonly device_id?: string
  readonly certificate?: CertificateFacts
  readonly service: ServiceReport
}

export interface StatusReport {
  readonly version: 1
  readonly at: number
  readonly connections: ReadonlyArray<ConnectionReport>
  /** Not of a single connection: the signing service. */
  readonly services: ReadonlyArray<ServiceReport>
  /**
   * Why the settings were not read (the connections are then those with a socket, or those known before), or why the
   * service manager is not known.
   */
  readonly note?: string
  readonly hint?: string
}

export const exitCodeOf = ({ connections, services, note }: StatusReport): number => {
  const all = [...connections, ...services]
  if (all.some(({ bad }) => bad)) return exitCodes.down
  // A configured connection without a socket is not among them.
  const isUnknown =
    note !== undefined ||
    all.some(({ state }) => state === "unknown") ||
    connections.some(({ service }) => service.state === "up" && service.error !== undefined)
  return isUnknown ? exitCodes.failed : exitCodes.ok
}
