/** Any PKCS#11 URI a parser can give, small enough to stay under its limit when printed. */
import { Redacted } from "effect"
import * as fc from "fast-check"
import type { Pkcs11Uri } from "../../src/messages/pkcs11-uri.ts"

const text = fc.string({ unit: "grapheme", maxLength: 12 })
/** As a token tells it, without padding. */
const unpadded = text.map((value) => value.replace(/[ \0]+$/, ""))
const vendor = fc.tuple(fc.stringMatching(/^v-[a-z]{1,5}$/), fc.stringMatching(/^([a-z.:]|%[0-9A-F]{2}){0,6}$/))

export const pkcs11UriArbitrary: fc.Arbitrary<Pkcs11Uri> = fc.record(
  {
    token: unpadded,
    manufacturer: unpadded,
    serial: unpadded,
    model: unpadded,
    libraryManufacturer: unpadded,
    libraryVersion: fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3})?$/),
    libraryDescription: unpadded,
    object: text,
    type: fc.constantFrom("private", "public", "cert", "secret-key", "data"),
    id: fc.uint8Array({ maxLength: 32 }),
    slotManufacturer: unpadded,
    slotDescription: unpadded,
    slotId: fc.maxSafeNat(),
    pinValue: text.map((value) => Redacted.make(value)),
    pinSource: text,
    moduleName: text,
    modulePath: text,
    unknown: fc.uniqueArray(vendor, { selector: ([name]) => name, minLength: 1, maxLength: 3 }),
    unknownQuery: fc.array(vendor, { minLength: 1, maxLength: 3 })
  },
  { requiredKeys: [] }
)
