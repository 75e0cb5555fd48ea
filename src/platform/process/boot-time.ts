/**
 * Timestamps that outlive the process, for pauses stored in files: boot time with the id of its boot.
 *
 * Boot time includes suspend, and clock steps do not change it. A timestamp of another boot, or in the future (a
 * container whose uptime restarts), is not comparable: the pause restarts.
 * Source: clock_gettime(2), CLOCK_BOOTTIME; random(4), boot_id.
 */
import { readFileSync } from "node:fs"
import { Clock, Effect } from "effect"
import { bootMs } from "../../runtime/primitives/runtime-clock.ts"

export interface BootMoment {
  /** From the kernel; empty if unknown: then no two timestamps are comparable. */
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
    // Missing outside of Linux and in some sandboxes: every pause restarts.
    return ""
  }
}
