/**
 * Keeps PINs off the disk: they are in the memory of every process that uses one.
 *
 * A limit of 0 instead of PR_SET_DUMPABLE, although only that stops a core_pattern that pipes cores to a program: the limit
 * is inherited by child processes, systemd-coredump and apport honour it, and /proc of our processes stays accessible to
 * the user they run as, who may read the settings anyway.
 */
import { keepNoCore } from "../native/unix-addon.ts"

export const leaveNoCore = (): void => {
  try {
    keepNoCore()
  } catch {
    // Without the add-on the system's own limits apply; whatever needs the add-on reports it.
  }
}
