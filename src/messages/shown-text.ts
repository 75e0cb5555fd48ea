/**
 * Makes external text (labels of tokens and keys, topics, certificate names, responses of servers) safe to display.
 *
 * Control characters can control a terminal and forge log lines; bidirectional controls reorder the displayed text.
 * All output to a terminal or a log goes through `shownText` or `shownLines`. test/architecture.test.ts
 * checks that no other file lists bidirectional controls or escape sequences. `withoutPin` removes a PIN from a URI.
 */

/** One line: for a value within a sentence, and for a log line. */
export const shownText = (text: string): string => text.replace(unshown, "")

/** As `shownText`, for text of several lines. Tabs are kept too: they align columns and cannot overwrite anything. */
export const shownLines = (text: string): string => text.replace(unshownInLines, "")

/** The first character that is never displayed, if a name or a value has one: `U+202E`. */
export const controlCharacterIn = (text: string): string | undefined => {
  const [character] = text.match(unshown) ?? []
  return character === undefined
    ? undefined
    : `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`
}

/** C0, DEL and C1: each run of them becomes `replacement`. */
export const controlsReplaced = (text: string, replacement: string): string => text.replace(controls, replacement)

/**
 * All but: C0, DEL and C1 (Cc), the line and paragraph separators, and all of Unicode's Bidi_Control. Also lone surrogates,
 * which no encoding has, and interlinear annotations, which hide text.
 * As code points: a property (`\p{Cc}`) makes V8 read ICU's tables at every start.
 */
const shown =
  " -~\\u00a0-\\u061b\\u061d-\\u200d\\u2010-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff\\ue000-\\ufff8\\ufffc-\\u{10ffff}"

const unshown = new RegExp(`[^${shown}]`, "gu")

const unshownInLines = new RegExp(`[^\\n\\t${shown}]`, "gu")

const controls = /[^ -~\u00a0-\u{10ffff}]+/gu

/** The text without anything that may be a PIN; safe for logs, whatever the text. */
export const withoutPin = (text: string): string => {
  const start = pinStart.exec(text)
  const kept = start === null ? text : `${text.slice(0, start.index)}pin-value=[REDACTED]`
  return kept.length > longestShown ? `${kept.slice(0, longestShown)}...` : kept
}

/** A URL with the password of its user masked, also one without scheme: `http://user:******@host`. */
export const withoutUserPassword = (text: string): string =>
  /^pkcs11:/i.test(text) ? text : text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^\s:/@]*):(?!\/\/).*@/is, "$1$2:******@")

/** Whether the text contains a PIN, or something meant as one. */
export const mayHavePin = (text: string): boolean => pinStart.test(text)

/** An id at the end is kept when all attributes of a key have their usual lengths, escaped. */
const longestShown = 600

/** Each letter as it is, or escaped. */
const letters = (word: string): string =>
  [...word].map((letter) => `(?:${letter}|%${hexOf(letter)}|%${hexOf(letter.toUpperCase())})`).join("")

const hexOf = (letter: string): string => letter.charCodeAt(0).toString(16)

/**
 * Also common misspellings: `pin=`, `pin_value=`, `pin-value:`, `so-pin=`, and any of it escaped.
 * A `pin-source` is not a secret.
 */
const pinStart = new RegExp(
  `${letters("pin")}(?:(?:[-_ ]|%2d|%5f|%20)?${letters("value")}(?: |%20){0,3}(?:[=:]|%3d|%3a)|(?:[-_ ]|%2d|%5f|%20)?(?: |%20){0,3}(?:=|%3d))`,
  "i"
)
