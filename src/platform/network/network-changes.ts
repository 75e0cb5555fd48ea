/**
 * Reports when the network may have come back: a new address or default route (rtnetlink(7)).
 *
 * Renewals (lifetimes of IPv6 router advertisements) are not reported. Messages are in native byte order.
 * Source: linux/netlink.h, linux/if_addr.h, linux/rtnetlink.h.
 */
import { closeSync } from "node:fs"
import { endianness } from "node:os"
import { Effect, type Scope } from "effect"
import { openNetlink, openReadiness, receive } from "../native/unix-addon.ts"
import { errorCode, messageOf } from "../process/error-code.ts"

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

/** Whether there is a new global address or default route. `known` is updated: what was reported is not new again until it is removed. */
export const appearedIn = (bytes: Buffer, known: Set<string>): boolean => {
  let isNews = false
  for (let at = 0; at + headerSize <= bytes.length; ) {
    const length = read32(bytes, at)
    if (length < headerSize || at + length > bytes.length) break
    const body = bytes.subarray(at + headerSize, at + length)
    isNews = judge(read16(bytes, at + 4), body, known) || isNews
    at += align(length)
  }
  return isNews
}

const judge = (type: number, body: Buffer, known: Set<string>): boolean => {
  const isAddress = type === newAddress || type === deletedAddress
  const isRoute = type === newRoute || type === deletedRoute
  const key = isAddress ? addressKey(body) : isRoute ? defaultRouteKey(body) : undefined
  if (key === undefined) return false
  if (type === deletedAddress || type === deletedRoute) {
    known.delete(key)
    return false
  }
  if (known.has(key)) return false
  // Bounded, in case an interface flaps through thousands of addresses.
  if (known.size >= maxKnown) known.clear()
  known.add(key)
  return true
}

/** Undefined: loopback and link-local addresses, and tentative IPv6 addresses. */
const addressKey = (body: Buffer): string | undefined => {
  if (body.length < addressSize || body[3] !== scopeUniverse || ((body[2] ?? 0) & tentative) !== 0) return undefined
  return `address ${read32(body, 4)} ${attributes(body, addressSize, [addressOf])}`
}

const defaultRouteKey = (body: Buffer): string | undefined => {
  if (body.length < routeSize || body[1] !== 0 || body[4] !== mainTable || body[7] !== unicast) return undefined
  return `route ${body[0]} ${attributes(body, routeSize, [outInterface, gateway])}`
}

/** Attributes of these types, as hexadecimal text. */
const attributes = (body: Buffer, from: number, wanted: ReadonlyArray<number>): string => {
  const found: Array<string> = []
  for (let at = from; at + 4 <= body.length; ) {
    const length = read16(body, at)
    if (length < 4 || at + length > body.length) break
    const type = read16(body, at + 2)
    if (wanted.includes(type)) found.push(`${type}:${body.toString("hex", at + 4, at + length)}`)
    at += align(length)
  }
  return found.join(" ")
}

const isLittle = endianness() === "LE"
const read16 = (bytes: Buffer, at: number): number => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at))
const read32 = (bytes: Buffer, at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))

const align = (length: number): number => (length + 3) & ~3

/** struct nlmsghdr, ifaddrmsg, rtmsg. */
const headerSize = 16
const addressSize = 8
const routeSize = 12

/** RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE. */
const newAddress = 20
const deletedAddress = 21
const newRoute = 24
const deletedRoute = 25

/** RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE, RT_TABLE_MAIN, RTN_UNICAST. */
const scopeUniverse = 0
const tentative = 0x40
const mainTable = 254
const unicast = 1

/** IFA_ADDRESS, RTA_OIF, RTA_GATEWAY. */
const addressOf = 1
const outInterface = 4
const gateway = 5

const maxKnown = 1_000
