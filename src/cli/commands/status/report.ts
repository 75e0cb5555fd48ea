/** What `tedge status` knows, as `--json` prints it, and what follows from it. Times are milliseconds since 1970. */
import type { CertificateFacts, Snapshot } from "../../../messages/status/snapshot.ts"
import type { State } from "../../../messages/status/verdict.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"

export interface ServiceReport {
  readonly name: string
  readonly state: State
  /** Something needs a person, also where it is up. */
  readonly bad: boolean
  /** It does not run, and its first client starts it. */
  readonly idle?: true
  /** `systemd`, `built-in`, or the name in system.toml. */
  readonly manager?: string
  /** Since when, as the manager says. */
  readonly since?: number
  /** Why it is not up; where it is up, why its settings cannot be used. */
  readonly error?: string
  readonly hint?: string
  readonly snapshot?: Snapshot
}

export interface ConnectionReport {
  readonly cloud: "c8y" | "az" | "aws"
  readonly profile?: string
  readonly state: State
  readonly bad: boolean
  /** As set, where the service does not tell. */
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
  /** Of no single connection: the signing service. */
  readonly services: ReadonlyArray<ServiceReport>
  /** Why the settings were not read: the connections are those that have a socket, or those of before. */
  readonly note?: string
  readonly hint?: string
}

export const exitCodeOf = ({ connections, services, note }: StatusReport): number => {
  const all = [...connections, ...services]
  if (all.some(({ bad }) => bad)) return exitCodes.down
  // A connection that is configured, and has no socket, is not among them.
  const isUnknown =
    note !== undefined || all.some(({ state }) => state === "unknown") || connections.some(hasWrongSettings)
  return isUnknown ? exitCodes.failed : exitCodes.ok
}

/** It runs with what it read before. */
const hasWrongSettings = ({ service }: ConnectionReport): boolean =>
  service.state === "up" && service.error !== undefined
