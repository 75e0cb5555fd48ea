import { shownText } from "../shown-text.ts"

/** A sentence for people, with a hint on what to do. */
export interface Explanation {
  /** Lower case, no full stop, values in quotes; one line. */
  readonly error: string
  /** A command to run, or a fact the user lacks. */
  readonly hint?: string
}

/** As one line of a log. */
export const logLine = ({ error, hint }: Explanation): string => (hint === undefined ? error : `${error}; ${hint}`)

/** As one line of a terminal. */
export const terminalLine = ({ error, hint }: Explanation): string =>
  hint === undefined ? error : `${error} (${hint})`

/** One per failure of an area. */
export type Sentences<Failure extends { readonly _tag: string }> = {
  readonly [Tag in Failure["_tag"]]: (failure: Extract<Failure, { readonly _tag: Tag }>) => Explanation
}

export const sentenceIn = <Failure extends { readonly _tag: string }>(
  sentences: Sentences<Failure>,
  failure: Failure
): Explanation => {
  const sentence: (failure: never) => Explanation = sentences[failure._tag as Failure["_tag"]]
  return sentence(failure as never)
}

export const danglingHint =
  "the link leads to a file or directory that is not there: mount its file system, or remove the link"

export const foreignLinkHint =
  "this path, or a directory of it, is a link created by a user who does not own its target: create the link as root (ln -s), or use a path without it"

/**
 * External text (of a module, a broker, a client) within one line: without control characters and bidirectional
 * controls, line ends as `; `, by default truncated at 600 characters.
 */
export const quoted = (text: string, mostCharacters = 600): string => {
  const line = shownText(
    text
      .trim()
      .replace(/\s*[\r\n]+\s*/g, "; ")
      .replaceAll("\t", " ")
  )
  return line.length > mostCharacters ? `${line.slice(0, mostCharacters)}…` : line
}

/** ` (text)`, or empty without text. */
export const inBrackets = (text: string): string => (text.trim() === "" ? "" : ` (${quoted(text)})`)

export const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`

/** As one word of a POSIX shell: a URI contains semicolons, and possibly blanks and quotes. */
export const shellQuoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
