import { shownText } from "../shown-text.ts"

/** A sentence for people: what happened, and what they can do about it. */
export interface Explanation {
  /** Lower case, no full stop, the values in quotes; one line. */
  readonly error: string
  /** A command to run, or a fact the person lacks. */
  readonly hint?: string
}

/** As one line of a log. */
export const logLine = ({ error, hint }: Explanation): string => (hint === undefined ? error : `${error}; ${hint}`)

/** As one line of a terminal. */
export const terminalLine = ({ error, hint }: Explanation): string =>
  hint === undefined ? error : `${error} (${hint})`

/** One for each failure of an area. */
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
  "a directory of this path is a link created by a user who does not own its target: create the link as root (ln -s), or use a path without it"

/** How much text from outside goes into a sentence. */
const longest = 600

/**
 * Text that came from outside (a module, a broker, a client) as part of one line: control characters out, and those
 * that turn the direction of writing, line ends to `; `, cut at 600 characters unless told.
 */
export const quoted = (text: string, mostCharacters = longest): string => {
  const line = shownText(
    text
      .trim()
      .replace(/\s*[\r\n]+\s*/g, "; ")
      .replaceAll("\t", " ")
  )
  return line.length > mostCharacters ? `${line.slice(0, mostCharacters)}…` : line
}

/** ` (text)`, or nothing when there is no text. */
export const inBrackets = (text: string): string => (text.trim() === "" ? "" : ` (${quoted(text)})`)

export const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`

/** As one word of a POSIX shell: a URI has semicolons in it, and may have blanks and quotes. */
export const shellQuoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
