/** Which token and which key a URI means, among those that are there. */

import { Effect, Exit, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { firstToken, onlyToken } from "../../../../src/actors/cryptoki/discovery/select-token.ts"
import {
  describeToken,
  type Token,
  tokenIdentity,
  tokenUri
} from "../../../../src/actors/cryptoki/pkcs11/token-facts.ts"
import type { TokenObject } from "../../../../src/actors/cryptoki/pkcs11/values.ts"
import { firstKey } from "../../../../src/actors/cryptoki/token/resolve-key.ts"
import { parsePkcs11Uri, printPkcs11Uri } from "../../../../src/messages/pkcs11-uri.ts"

const library = { manufacturer: "M", description: "L", version: "1.0" }
const name = fc.constantFrom("a", "b", "ü;%", "")
const token: fc.Arbitrary<Token> = fc
  .record({ label: name, serial: name, slot: fc.constantFrom("0", "1", "2147483648"), initialised: fc.boolean() })
  .map(({ label, serial, slot, initialised }) => ({
    library,
    facts: {
      slot,
      slotDescription: "S",
      slotManufacturer: "M",
      label: initialised ? label : "",
      model: "X",
      manufacturer: "Y",
      serial,
      flags: initialised ? 0x404 : 0x4
    }
  }))
const object: fc.Arbitrary<TokenObject> = fc.record({
  handle: fc.constant("1"),
  kind: fc.constantFrom("private", "public"),
  keyType: fc.constantFrom(0, 3),
  label: name,
  id: fc.uint8Array({ maxLength: 2 }),
  curve: fc.constant(undefined),
  alwaysAuthenticate: fc.boolean(),
  maySign: fc.boolean()
})
const ran = <A, E>(effect: Effect.Effect<A, E>) => Effect.runSync(Effect.exit(effect))

describe("the token a URI means", () => {
  it("is the first that matches, in the module's order, and the others are named", () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 6 }), name, (tokens, label) => {
        const fitting = tokens.filter(({ facts }) => facts.flags === 0x404 && facts.label === label)
        const [first, ...others] = fitting
        const found = ran(firstToken({ token: label }, tokens))
        if (first === undefined) expect(Exit.isFailure(found)).toBe(true)
        else expect(found).toEqual(Exit.succeed({ token: first, others }))
      })
    )
  })

  it("is found by its own URI, after print and parse", () => {
    fc.assert(
      fc.property(token, (one) => {
        const uri = Result.getOrThrow(parsePkcs11Uri(printPkcs11Uri(tokenUri(one), { pin: "shown" })))
        expect(ran(onlyToken(uri, [one], "any"))).toEqual(Exit.succeed(one))
        expect(describeToken(one).uri).toEqual(tokenUri(one))
      })
    )
  })

  it("is never one of several for a command that changes it", () => {
    fc.assert(
      fc.property(fc.array(token, { minLength: 2, maxLength: 6 }), (tokens) => {
        expect(ran(onlyToken({}, tokens, "any"))).toMatchObject({
          cause: { reasons: [{ error: { _tag: "TokenAmbiguous", candidates: { length: tokens.length } } }] }
        })
      })
    )
  })

  it("is the same token in another slot, and another one with another serial", () => {
    fc.assert(
      fc.property(token, (one) => {
        const moved = { ...one, facts: { ...one.facts, slot: "99" } }
        const twin = { ...one, facts: { ...one.facts, serial: `${one.facts.serial}x` } }
        expect(tokenIdentity(moved)).toBe(tokenIdentity(one))
        expect(tokenIdentity(twin)).not.toBe(tokenIdentity(one))
      })
    )
  })
})

describe("the key a URI means", () => {
  it("is a private key that may sign, and the first of those that match", () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 8 }), name, (objects, label) => {
        const fitting = objects.filter((one) => one.kind === "private" && one.maySign && one.label === label)
        const [first, ...others] = fitting
        expect(firstKey({ object: label }, objects)).toEqual(first && { object: first, others })
      })
    )
  })
})
