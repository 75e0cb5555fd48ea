/** What `tedge status` knows, as `--json` prints it, and what follows from it. Times are milliseconds since 1970. */
import type { CertificateFacts, Snapshot } from "../../../messages/status/snapshot.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"

export type State = "up" | "down" | "unknown"

export interface ServiceReport {
  readonly name: string
  readonly state: State
  /** `systemd`, `built-in`, or the name in system.toml. */
  readonly manager?: string
  /** Since when, as the manager says. */
  readonly since?: number
  /** Why it is not up. */
  readonly error?: string
  readonly hint?: string
  readonly snapshot?: Snapshot
}

export interface ConnectionReport {
  readonly cloud: "c8y" | "az" | "aws"
  readonly profile?: string
  readonly state: State
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
  /** Why the settings were not read: the connections are those that have a socket. */
  readonly note?: string
}

/** Of a connection: it is up when messages flow. */
export const connectionState = ({ state, snapshot }: ServiceReport): State => {
  if (state !== "up") return state
  return snapshot?.bridge?.state ?? "unknown"
}

export const exitCodeOf = ({ connections, services }: StatusReport): number => {
  const states = [...connections, ...services].map(({ state }) => state)
  if (states.includes("down")) return exitCodes.down
  return states.includes("unknown") ? exitCodes.failed : exitCodes.ok
}
