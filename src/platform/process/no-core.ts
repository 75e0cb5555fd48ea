/**
 * Keeps memory off the disk: PINs are in the memory of every process that uses one.
 *
 * A limit of 0 and not PR_SET_DUMPABLE, though that alone stops a core_pattern that pipes cores to a program: the limit
 * is inherited by whatever we start, systemd-coredump and apport honour it, and /proc of our processes stays open to
 * the user they run as, who may read the settings anyway.
 */
import { keepNoCore } from "../native/unix-addon.ts"

export const leaveNoCore = (): void => {
  try {
    keepNoCore()
  } catch {
    // Without the add-on a crash leaves what the system's own limits allow; whatever needs the add-on says so.
  }
}
