/** The place of one member in a supervisor's tree. */
import type { Cause } from "effect"
import type { Member } from "./member.ts"
import type { Intensity } from "./restart-policy.ts"

export interface Slot {
  readonly index: number
  readonly member: Member
  readonly intensity: Intensity
  state: "down" | "running" | "closed"
  /** Only of the one reported by `GaveUp`. */
  isParked: boolean
  attempts: number
  readyAt: number
}

export interface FailedStart {
  readonly slot: Slot
  readonly cause: Cause.Cause<unknown>
  /** Those to be started with it and after it. */
  readonly pending: ReadonlyArray<Slot>
}

export const makeSlot = (index: number, member: Member, intensity: Intensity): Slot => ({
  index,
  member,
  intensity,
  state: "down",
  isParked: false,
  attempts: 0,
  readyAt: Number.POSITIVE_INFINITY
})
