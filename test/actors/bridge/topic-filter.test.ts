import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isTopic, matchesFilter } from "../../../src/actors/bridge/rules.ts"

/** Levels with everything that has broken such code: empty, `$`, several bytes, surrogate pairs, lone surrogates. */
const level = fc.oneof(
  fc.constantFrom("", "$", "$SYS", "a", "s", "us", "é", "日本", "😀", "\ud83d", "\u0000x"),
  fc.string({ maxLength: 4, unit: "binary" }).map((text) => text.replace(/[/+#]/g, "_"))
)
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"))

/** A filter that must match the topic, made from it by putting wildcards in. */
const loosened = (name: string, wild: ReadonlyArray<boolean>, cutAt: number): string => {
  const levels = name.split("/").map((one, index) => (wild[index] ? "+" : one))
  return cutAt < levels.length ? [...levels.slice(0, cutAt), "#"].join("/") : levels.join("/")
}

const isHidden = (name: string, filter: string) => name.startsWith("$") && /^[+#]/.test(filter)

describe("matching a topic", () => {
  it("accepts every filter made from it with wildcards, but for those that begin above a `$`", () =>
    fc.assert(
      fc.property(topic, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), fc.nat(7), (name, wild, cutAt) => {
        const filter = loosened(name, wild, cutAt)
        expect(matchesFilter(filter, name)).toBe(!isHidden(name, filter))
      })
    ))

  it("matches a topic without wildcards to itself only", () =>
    fc.assert(
      fc.property(topic, topic, (one, other) => {
        expect(matchesFilter(one, other)).toBe(one === other)
      })
    ))

  it.each([
    // MQTT 3.1.1, 4.7.1.2, 4.7.1.3 and 4.7.2: the standard's own examples.
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/monitor", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/monitor", true],
    ["$SYS/monitor/+", "$SYS/monitor/Clients", true],
    ["s/uat", "s/uat/x", false],
    ["s/uat/x", "s/uat", false]
  ])("%s and %s: %s", (filter, name, matches) => {
    expect(matchesFilter(filter, name)).toBe(matches)
  })
})

describe("a topic name", () => {
  it.each([
    ["", false],
    ["a/+/b", false],
    ["a/#", false],
    ["a\u0000b", false],
    ["a".repeat(65_535), true],
    ["é".repeat(32_768), false],
    ["c8y/s/us", true]
  ])("case %#", (text, usable) => {
    expect(isTopic(text)).toBe(usable)
  })
})
