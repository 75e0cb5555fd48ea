/**
 * Text from outside (labels of tokens and keys, topics, certificate names, answers of servers) as it may be shown.
 *
 * Control characters steer a terminal and forge log lines; bidirectional controls show text in another order than it
 * has. Everything that reaches a terminal or a log goes through one of these two functions, and no other file knows
 * which characters these are; test/architecture.test.ts says so.
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
