/** When two moments in a file and now can be compared: same boot, and not ahead of now. Otherwise a pause starts anew. */
import type { BootMoment } from "../../../platform/process/boot-time.ts"

export const isComparable = (began: BootMoment, now: BootMoment): boolean =>
  began.bootId === now.bootId && began.bootMs <= now.bootMs
