/**
 * Moments for pauses that outlive the process, in files: boot time with the id of the boot it belongs to.
 *
 * Boot time counts suspend, and a clock step does not move it. A moment of another boot, or one that lies ahead (a
 * container whose uptime restarts), says nothing about the time since: the pause restarts.
 * Source: clock_gettime(2), CLOCK_BOOTTIME; random(4), boot_id.
 */
import { readFileSync } from "node:fs"
import { Clock, Effect } from "effect"
import { bootMs } from "../../runtime/primitives/runtime-clock.ts"

export interface BootMoment {
  /** Of the kernel; empty where it is not told: then no two moments can be compared. */
  readonly bootId: string
  /** Milliseconds since the boot. */
  readonly bootMs: number
}

export const bootMomentNow: Effect.Effect<BootMoment> = Effect.map(Clock.Clock, (clock) => ({
  bootId: bootId(),
  bootMs: Math.floor(bootMs(clock))
}))

const bootId = (): string => {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  } catch {
    // No such file outside of Linux and in some sandboxes: every pause restarts.
    return ""
  }
}
