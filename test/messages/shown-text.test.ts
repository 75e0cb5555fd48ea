/** Text from outside, as it is shown. */
import fc from "fast-check"
import { expect, it } from "vitest"
import {
  controlCharacterIn,
  controlsReplaced,
  shownLines,
  shownText,
  withoutUserPassword
} from "../../src/messages/shown-text.ts"

it.each([
  ["\u001b[2J\u001b]0;title\u0007label", "[2J]0;titlelabel"],
  ["a\nerror: forged", "aerror: forged"],
  ["user\u202egnp.exe\u202c", "usergnp.exe"],
  ["\u2066a\u2069\u200e\u200f\u061cb", "ab"],
  ["\u009b31mred\u0085", "31mred"],
  ["a\u2028b\u2029c\ud800", "abc"],
  ["Gerät 7 – ключ 鍵 😀", "Gerät 7 – ключ 鍵 😀"]
])("shows %j as %j", (given, shown) => {
  expect(shownText(given)).toBe(shown)
})

it.each([
  ["http://u:p@h:8080", "http://u:******@h:8080"],
  ["HTTPS://u:p:/@x@h", "HTTPS://u:******@h"],
  ["u:p@h:1", "u:******@h:1"],
  ["http://:p@h", "http://:******@h"],
  ["http://u@h:1", "http://u@h:1"],
  ["http://h:1/a", "http://h:1/a"],
  ["pkcs11:token=a:b@c", "pkcs11:token=a:b@c"]
])("shows the URL %s as %s", (given, shown) => {
  expect(withoutUserPassword(given)).toBe(shown)
})

it("keeps line ends and tabs of text that is made of lines, and nothing else that steers", () => {
  expect(shownLines("a\tb\nc\r\n\u001b[1md\u202e")).toBe("a\tb\nc\n[1md")
})

it("leaves no control character, whatever the text, and changes nothing the second time", () =>
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(controlCharacterIn(shownText(text))).toBeUndefined()
      expect(shownText(shownText(text))).toBe(shownText(text))
      expect(shownText(shownLines(text))).toBe(shownText(text))
    })
  ))

it("leaves out exactly the code points of these properties of Unicode, each of them", () => {
  const unshown = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufff9-\ufffb]/u
  const control = /\p{Cc}/u
  const wrong: Array<number> = []
  for (let code = 0; code <= 0x10ffff; code++) {
    const one = String.fromCodePoint(code)
    const isRight =
      (shownText(one) === "") === unshown.test(one) &&
      (shownLines(one) === "") === (unshown.test(one) && one !== "\n" && one !== "\t") &&
      (controlsReplaced(one, "?") === "?") === (control.test(one) || one === "?")
    if (!isRight) wrong.push(code)
  }
  expect(wrong).toEqual([])
})

it("names the first control character", () => {
  expect(controlCharacterIn("a\u001bb\n")).toBe("U+001B")
  expect(controlCharacterIn("exe.\u202egnp")).toBe("U+202E")
  expect(controlCharacterIn("no such thing")).toBeUndefined()
})
