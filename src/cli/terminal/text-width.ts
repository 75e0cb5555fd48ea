/**
 * The columns a terminal uses for a text, and where it can be cut.
 *
 * A character with its combining marks is one unit; East Asian wide characters and emoji take two columns.
 * Source: Unicode UAX #11 (East Asian Width), UAX #29 (grapheme clusters).
 */

export const textWidth = (text: string): number =>
  isPlain(text) ? text.length : pieces(text).reduce((sum, { width }) => sum + width, 0)

/** Units that must not be cut, and their columns. */
export const pieces = (text: string): ReadonlyArray<{ readonly text: string; readonly width: number }> =>
  isPlain(text)
    ? [...text].map((one) => ({ text: one, width: 1 }))
    : [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)].map(({ segment }) => ({
        text: segment,
        // In a function: a property of Unicode loads ICU's tables when the expression is made.
        // Also the vowels and final consonants of a Hangul syllable.
        width: /\p{Emoji_Presentation}|\ufe0f/u.test(segment)
          ? 2
          : [...segment].reduce(
              (sum, one) =>
                sum + (isWide.test(one) ? 2 : /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u1160-\u11ff]$/u.test(one) ? 0 : 1),
              0
            )
      }))

/** The prefix that fits. */
export const truncateText = (text: string, columns: number): string => {
  if (textWidth(text) <= columns) return text
  let cut = ""
  let used = 0
  for (const piece of pieces(text)) {
    used += piece.width
    if (used > columns) return cut
    cut += piece.text
  }
  return cut
}

const isPlain = (text: string): boolean => /^[\x20-\x7e\u2581-\u2588]*$/.test(text)

const isWide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1aff0}-\u{1b2ff}\u{20000}-\u{3fffd}]$/u
