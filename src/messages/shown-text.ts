/**
 * Text from outside (labels of tokens and keys, topics, certificate names, answers of servers) as it may be shown.
 *
 * Control characters steer a terminal and forge log lines; bidirectional controls show text in another order than it
 * has. Everything that reaches a terminal or a log goes through `shownText` or `shownLines`. test/architecture.test.ts
 * checks that no other file lists bidirectional controls or escape sequences. `withoutPin` removes a PIN from a URI.
 */

/** One line: for a value within a sentence, and for a log line. */
export const shownText = (text: string): string => text.replace(unshown, "")

/** As `shownText`, for text that is made of lines. A tab is kept too: it aligns columns and moves nothing back. */
export const shownLines = (text: string): string => text.replace(unshownInLines, "")

/** The first character that is never shown, where a name or a value has one: `U+202E`. */
export const controlCharacterIn = (text: string): string | undefined => {
  const [character] = text.match(unshown) ?? []
  return character === undefined
    ? undefined
    : `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`
}

/**
 * C0, DEL and C1 (Cc), the line and paragraph separators, and all of Unicode's Bidi_Control. Also surrogates without
 * their other half, which no encoding has, and interlinear annotations, which hide text.
 */
const unshown = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufff9-\ufffb]/gu

const unshownInLines = /[^\P{Cc}\n\t]|[\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufff9-\ufffb]/gu

/** The text without anything that may be a PIN; safe for logs whatever the text is. */
export const withoutPin = (text: string): string => {
  const start = pinStart.exec(text)
  const shown = start === null ? text : `${text.slice(0, start.index)}pin-value=[REDACTED]`
  return shown.length > longestShown ? `${shown.slice(0, longestShown)}...` : shown
}

/** Whether something in the text is, or was meant as, a PIN. */
export const mayHavePin = (text: string): boolean => pinStart.test(text)

/** With all attributes of a key at their usual lengths, escaped, an id at the end is still there. */
const longestShown = 600

/** Each letter as it is, or escaped. */
const letters = (word: string): string =>
  [...word].map((letter) => `(?:${letter}|%${hexOf(letter)}|%${hexOf(letter.toUpperCase())})`).join("")

const hexOf = (letter: string): string => letter.charCodeAt(0).toString(16)

/**
 * Also what people write when they mean it: `pin=`, `pin_value=`, `pin-value:`, `so-pin=`, and any of it escaped.
 * A `pin-source` is no secret.
 */
const pinStart = new RegExp(
  `${letters("pin")}(?:(?:[-_ ]|%2d|%5f|%20)?${letters("value")}(?: |%20){0,3}(?:[=:]|%3d|%3a)|(?:[-_ ]|%2d|%5f|%20)?(?: |%20){0,3}(?:=|%3d))`,
  "i"
)
