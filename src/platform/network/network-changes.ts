/**
 * Reports when the network may have come back: a new address or default route (rtnetlink(7)).
 *
 * Renewals (lifetimes of IPv6 router advertisements) are not reported.
 */
import { closeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { openNetlink, openReadiness, receive } from "../native/unix-addon.ts"
import { errorCode, messageOf } from "../process/error-code.ts"
import { appearedIn } from "./netlink-message.ts"

/** Fails with a sentence if the kernel or a sandbox does not allow it. */
export const watchNetwork = (onAppeared: () => void): Effect.Effect<void, string, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.try({
        try: () => open(onAppeared),
        catch: (error) => messageOf(error)
      }),
      (close) => Effect.sync(close)
    )
  )

const open = (onAppeared: () => void): (() => void) => {
  const descriptor = openNetlink()
  const known = new Set<string>()
  const buffer = Buffer.alloc(65_536)
  const readiness = openReadiness(() => {
    let isNews = false
    for (;;) {
      const got = receiveSome(descriptor, buffer)
      // The socket overflowed: something has changed.
      if (got === "lost") isNews = true
      else if (got === undefined || got === 0) break
      else isNews = appearedIn(buffer.subarray(0, got), known) || isNews
    }
    if (isNews) onAppeared()
  })
  try {
    readiness.watch(descriptor, "reading")
  } catch (error) {
    readiness.close()
    closeSync(descriptor)
    throw error
  }
  return () => {
    readiness.close()
    closeSync(descriptor)
  }
}

const receiveSome = (descriptor: number, into: Uint8Array): number | "lost" | undefined => {
  try {
    return receive(descriptor, into)
  } catch (error) {
    if (errorCode(error) === "ENOBUFS") return "lost"
    return undefined // the socket failed; pauses end by themselves
  }
}
