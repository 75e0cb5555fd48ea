/** Sessions that wait for a reconnection: which of them may be used, and until when. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Ticket, TlsTickets } from "../../../../src/actors/mqtt/dial/resumption.ts"

const hour = 3_600_000
const cloud = "cloud.example:8883"
const here = Buffer.from("binding")
const elsewhere = Buffer.from("another")

let made = 0
const ticket = (changes: Partial<Ticket> & { lifetimeMs?: number; binding?: Buffer } = {}): Ticket => {
  const { lifetimeMs = 2 * hour, binding = here, issuedAt = 0, provenAt = 0 } = changes
  return { session: { der: Buffer.from([++made]), binding, lifetimeMs }, issuedAt, provenAt }
}

describe("TLS sessions of a place", () => {
  it("are used once each, the newest first", () => {
    const tickets = new TlsTickets()
    const [one, two] = [ticket(), ticket()]
    for (const each of [one, two]) tickets.keep(cloud, each)
    expect(tickets.take(cloud, here, 1)).toBe(two)
    expect(tickets.take(cloud, here, 1)).toBe(one)
    expect(tickets.has(cloud, here, 1)).toBe(false)
    expect(tickets.take(cloud, here, 1)).toBeUndefined()
  })

  it("are used for as long as the server says", () => {
    const tickets = new TlsTickets()
    tickets.keep(cloud, ticket({ issuedAt: 1000, provenAt: 1000, lifetimeMs: hour }))
    expect(tickets.has(cloud, here, 1000 + hour - 1)).toBe(true)
    expect(tickets.has(cloud, here, 1000 + hour)).toBe(false)
  })

  it("are used for 24 hours after the key was used, however young they are", () => {
    const tickets = new TlsTickets()
    tickets.keep(cloud, ticket({ issuedAt: 23 * hour, provenAt: 0, lifetimeMs: 7 * 24 * hour }))
    expect(tickets.has(cloud, here, 24 * hour - 1)).toBe(true)
    expect(tickets.has(cloud, here, 24 * hour)).toBe(false)
  })

  it("are all forgotten when one is asked for under another binding, or kept under one", () => {
    const asked = new TlsTickets()
    asked.keep(cloud, ticket())
    expect(asked.has(cloud, elsewhere, 1)).toBe(false)
    expect(asked.has(cloud, here, 1)).toBe(false)
    const kept = new TlsTickets()
    kept.keep(cloud, ticket())
    kept.keep(cloud, ticket({ binding: elsewhere }))
    expect(kept.has(cloud, elsewhere, 1)).toBe(true)
    expect(kept.has(cloud, here, 1)).toBe(false)
  })

  it("are forgotten place by place", () => {
    const tickets = new TlsTickets()
    tickets.keep(cloud, ticket())
    tickets.keep("other:8883", ticket())
    tickets.forget(cloud)
    expect(tickets.has(cloud, here, 1)).toBe(false)
    expect(tickets.has("other:8883", here, 1)).toBe(true)
  })

  it("none is given twice, too old, or under another binding, whatever happens", () => {
    const time = fc.integer({ min: 0, max: 60 * hour })
    const step = fc.record({
      do: fc.constantFrom("keep" as const, "take" as const, "forget" as const),
      binding: fc.constantFrom(here, elsewhere),
      passes: fc.integer({ min: 0, max: 3 * hour }),
      lifetimeMs: time,
      provenBefore: fc.integer({ min: 0, max: 30 * hour })
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const tickets = new TlsTickets()
        const given = new Set<Ticket>()
        let now = 100 * hour
        for (const { do: what, binding, passes, lifetimeMs, provenBefore } of steps) {
          now += passes
          if (what === "forget") tickets.forget(cloud)
          else if (what === "keep")
            tickets.keep(cloud, ticket({ binding, lifetimeMs, issuedAt: now, provenAt: now - provenBefore }))
          else {
            const one = tickets.take(cloud, binding, now)
            if (one === undefined) continue
            expect(given.has(one)).toBe(false)
            given.add(one)
            expect(one.session.binding).toBe(binding)
            expect(now - one.issuedAt).toBeLessThan(one.session.lifetimeMs)
            expect(now - one.provenAt).toBeLessThan(24 * hour)
          }
        }
      })
    )
  })
})
