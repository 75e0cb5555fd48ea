/**
 * Parses messages of rtnetlink(7): reports new global addresses and default routes. Native byte order.
 *
 * Source: linux/netlink.h, linux/if_addr.h, linux/rtnetlink.h.
 */
import { endianness } from "node:os"

/** `known` is updated: what was reported is not new again until it is removed. */
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
