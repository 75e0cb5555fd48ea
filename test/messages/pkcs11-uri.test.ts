/** PKCS#11 URIs as users and tools write them. Samples from thin-edge's hsm-support page and RFC 7512, section 3. */
import { Redacted, Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Pkcs11Uri, parsePkcs11Uri, printPkcs11Uri } from "../../src/messages/pkcs11-uri.ts"
import { withoutPin } from "../../src/messages/shown-text.ts"
import { pkcs11UriArbitrary } from "./pkcs11-uri-arbitrary.ts"

const parsed = (text: string): Pkcs11Uri => Result.getOrThrow(parsePkcs11Uri(text))
const refusal = (text: string) => Result.getOrThrow(Result.flip(parsePkcs11Uri(text)))
/** A URI with its secret opened, to compare. */
const opened = ({ pinValue, ...rest }: Pkcs11Uri) => ({
  ...rest,
  ...(pinValue === undefined ? {} : { pin: Redacted.value(pinValue) })
})

const guideUri =
  "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=83f9cf49039c051a;token=my-token;id=%01;object=my-key;type=private"

describe("a PKCS#11 URI", () => {
  it("is read with every attribute of the user's guide", () => {
    expect(parsed(guideUri)).toEqual({
      model: "SoftHSM v2",
      manufacturer: "SoftHSM project",
      serial: "83f9cf49039c051a",
      token: "my-token",
      id: Uint8Array.of(1),
      object: "my-key",
      type: "private"
    })
  })

  it("is printed as the guide prints it", () => {
    expect(printPkcs11Uri(parsed(guideUri), { pin: "redacted" })).toBe(guideUri)
    const created =
      "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=a30ed1ca6244fc5f;token=test-token;id=%51%05%87%75%6F%B7%28%EC%5E%5D%1F%B8%EB%CF%FD%96%B7%E4%28%B6;object=my-key"
    expect(printPkcs11Uri(parsed(created), { pin: "redacted" })).toBe(created)
    expect(printPkcs11Uri({ model: "M", slotId: 3 }, { pin: "redacted" })).toBe("pkcs11:model=M;slot-id=3")
  })

  it.each([
    ["pkcs11:", {}],
    ["PKCS11:object=a", { object: "a" }],
    ["pkcs11:token=The%20Software%20PKCS%2311%20Softtoken", { token: "The Software PKCS#11 Softtoken" }],
    [
      "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-version=3",
      { libraryManufacturer: "Snake Oil, Inc.", libraryVersion: "3" }
    ],
    ["pkcs11:slot-description=Sun%20Metaslot;slot-id=0", { slotDescription: "Sun Metaslot", slotId: 0 }],
    ["pkcs11:token=S%C5%99;object=%E2%82%AC", { token: "Sř", object: "€" }],
    ["pkcs11:id=%00%ff%3Ba;type=secret-key", { id: Uint8Array.of(0, 255, 0x3b, 0x61), type: "secret-key" }],
    ["pkcs11:token=;", { token: "" }],
    ["pkcs11:object=a?pin-value=the-pin", { object: "a", pin: "the-pin" }],
    ["pkcs11:object=a?pin-value=%31%2532%26%C3%A9", { object: "a", pin: "1%32&é" }],
    ["pkcs11:object=a?pin-source=file:/etc/token_pin", { object: "a", pinSource: "file:/etc/token_pin" }],
    ["pkcs11:object=a?pin-source=|/bin/pin", { object: "a", pinSource: "|/bin/pin" }],
    ["pkcs11:?module-path=/mnt/lib.so.1&module-name=snake", { modulePath: "/mnt/lib.so.1", moduleName: "snake" }],
    [
      "pkcs11:token=a;vendor-aaa=value%20a;v2=b",
      {
        token: "a",
        unknown: [
          ["vendor-aaa", "value%20a"],
          ["v2", "b"]
        ]
      }
    ],
    [
      "pkcs11:?vendor-x=1&vendor-x=2",
      {
        unknownQuery: [
          ["vendor-x", "1"],
          ["vendor-x", "2"]
        ]
      }
    ],
    ["pkcs11:token=a;pin-value=1234", { token: "a", pin: "1234" }]
  ])("reads %s", (text, expected) => {
    expect(opened(parsed(text))).toEqual(expected)
  })

  it.each([
    ["", "missing-scheme", undefined],
    ["token=a", "missing-scheme", undefined],
    ["pkcs11", "missing-scheme", undefined],
    ["pkcs11:token=a;token=a", "duplicate-attribute", "token"],
    ["pkcs11:v-a=1;v-a=2", "duplicate-attribute", "v-a"],
    ["pkcs11:?module-name=a&module-name=b", "duplicate-attribute", "module-name"],
    ["pkcs11:token=a%2", "bad-percent-encoding", "token"],
    ["pkcs11:token=%zz", "bad-percent-encoding", "token"],
    ["pkcs11:token=a b", "bad-character", "token"],
    ["pkcs11:token=a\n", "bad-character", "token"],
    ["pkcs11:object=a/b", "bad-character", "object"],
    ["pkcs11:to ken=a", "bad-character", undefined],
    ["pkcs11:token=%FF", "not-utf8", "token"],
    ["pkcs11:slot-id=x", "bad-number", "slot-id"],
    ["pkcs11:slot-id=99999999999999999999", "bad-number", "slot-id"],
    ["pkcs11:library-version=1.2.3", "bad-number", "library-version"],
    ["pkcs11:type=key", "bad-type", "type"],
    ["pkcs11:token2;object=key1", "no-value", "token2"],
    [`pkcs11:token=${"a".repeat(4096)}`, "too-long", undefined]
  ])("refuses %s", (text, reason, attribute) => {
    expect(refusal(text)).toMatchObject({ reason, attribute })
  })

  it("keeps the PIN out of its print unless asked to show it", () => {
    const uri = parsed("pkcs11:token=a?pin-value=12%2634")
    expect(printPkcs11Uri(uri, { pin: "redacted" })).toBe("pkcs11:token=a")
    expect(printPkcs11Uri(uri, { pin: "shown" })).toBe("pkcs11:token=a?pin-value=12%2634")
    expect(JSON.stringify(uri)).not.toContain("34")
  })

  it.each([
    "pin=",
    "PIN=",
    "pin_value=",
    "pinvalue=",
    "pin-value =",
    "pin%5Fvalue%20=",
    "so-pin=",
    "pin-%76alue=",
    "%50IN=",
    "p%69n-value%3A"
  ])("takes what is meant as a PIN, %s, for one", (name) => {
    expect(withoutPin(`pkcs11:token=a?${name}4711&x=1`)).toMatch(/^pkcs11:token=a\?(so-)?pin-value=\[REDACTED\]$/)
    for (const separator of ["?", ";"]) {
      const read = parsePkcs11Uri(`pkcs11:token=a${separator}${name}4711`)
      expect(JSON.stringify(Result.isFailure(read) ? read.failure : "")).not.toContain("4711")
      if (Result.isSuccess(read)) expect(printPkcs11Uri(read.success, { pin: "redacted" })).toBe("pkcs11:token=a")
    }
  })

  it("does not take the place of a PIN for one", () => {
    const uri = "pkcs11:token=a;object=pin?pin-source=file%3Apin"
    expect(withoutPin(uri)).toBe(uri)
    expect(printPkcs11Uri(parsed(uri), { pin: "redacted" })).toBe(uri)
  })

  it("keeps the PIN out of a refusal, however the URI is broken", () =>
    fc.assert(
      fc.property(
        fc.constantFrom("?pin-value=", ";pin-value=", "&pin-value=", "?PIN-VALUE=", "?pin%2Dvalue=", "?pin-value%3d"),
        fc.constantFrom("", "&", ";", "%", " ", "\u0000", "&x=", "%FF"),
        (attribute, broken) => {
          const result = parsePkcs11Uri(`pkcs11:type=oops${attribute}SECRET${broken}SECRET`)
          expect(JSON.stringify(Result.getOrThrow(Result.flip(result)))).not.toContain("SECRET")
          const inQuery = parsePkcs11Uri(`pkcs11:token=a${attribute}SECRET${broken}SECRET`)
          if (Result.isFailure(inQuery)) expect(JSON.stringify(inQuery.failure)).not.toContain("SECRET")
        }
      )
    ))

  it("is cut short in a refusal and in the log, but not where a key still has its id", () => {
    expect(withoutPin("x".repeat(5000)).length).toBeLessThan(650)
    const names = `model=${"m".repeat(16)};manufacturer=${"%20".repeat(32)};serial=${"s".repeat(16)};token=${"%20".repeat(32)}`
    const key = `pkcs11:${names};object=${"o".repeat(32)};id=${"%0a".repeat(20)}`
    expect(withoutPin(key)).toBe(key)
  })

  it("is read back as it was printed", () =>
    fc.assert(
      fc.property(pkcs11UriArbitrary, (uri) => {
        expect(opened(parsed(printPkcs11Uri(uri, { pin: "shown" })))).toEqual(opened(uri))
      })
    ))

  it("is read or refused, never thrown at, when it is cut anywhere", () =>
    fc.assert(
      fc.property(pkcs11UriArbitrary, (uri) => {
        const text = printPkcs11Uri(uri, { pin: "shown" })
        for (let length = 0; length < text.length; length++) {
          expect(Result.isResult(parsePkcs11Uri(text.slice(0, length)))).toBe(true)
        }
      }),
      { numRuns: 30 }
    ))

  it("is read or refused, never thrown at, whatever the text", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom(..."aeoknpti-;=%?&012AF") })),
        fc.boolean(),
        (text, withScheme) => {
          const result = parsePkcs11Uri(withScheme ? `pkcs11:${text}` : text)
          if (Result.isSuccess(result)) {
            const printed = printPkcs11Uri(result.success, { pin: "shown" })
            if (printed.length <= 4096) expect(opened(parsed(printed))).toEqual(opened(result.success))
          }
        }
      )
    ))
})
