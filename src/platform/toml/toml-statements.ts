/**
 * The positions of the statements of a TOML document, so that one can be changed and the rest stays.
 *
 * The document is known to be valid (parsed before); this only finds positions. Source: TOML 1.0.
 */

export interface TomlStatement {
  readonly kind: "key" | "table" | "arrayOfTables"
  /** Of a key: from the top of the document. */
  readonly path: ReadonlyArray<string>
  /** Of a key: the table of the header above it. */
  readonly table: ReadonlyArray<string>
  /** From the start of its first line to the end of its last, line end included; in an inline table its own text. */
  readonly start: number
  readonly end: number
  /** Of a key: its value, without surrounding blanks. */
  readonly valueStart: number
  readonly valueEnd: number
  /** Of a key: the keys of an array of tables cannot be distinguished by their path. */
  readonly inArrayOfTables: boolean
}

export const tomlStatements = (text: string): ReadonlyArray<TomlStatement> => {
  const statements: Array<TomlStatement> = []
  let table: ReadonlyArray<string> = []
  let inArrayOfTables = false
  let at = text.startsWith("\uFEFF") ? 1 : 0
  while (at < text.length) {
    const start = at
    at = skipBlanks(text, at)
    if (text[at] === "[") {
      const isArray = text.startsWith("[[", at)
      const header = readKey(text, at + (isArray ? 2 : 1))
      at = endOfLine(text, header.end)
      table = header.path
      const under = statements.some((one) => one.kind === "arrayOfTables" && isPrefix(one.path, table))
      inArrayOfTables = isArray || under
      const kind = isArray ? "arrayOfTables" : "table"
      statements.push({ kind, path: table, table, start, end: at, valueStart: at, valueEnd: at, inArrayOfTables })
    } else if (text[at] === "#" || text[at] === "\n" || text[at] === "\r" || at >= text.length) at = endOfLine(text, at)
    else {
      const key = readKey(text, at)
      const valueStart = skipBlanks(text, key.end + 1)
      const valueEnd = endOfValue(text, valueStart)
      at = endOfLine(text, valueEnd)
      const path = [...table, ...key.path]
      statements.push({ kind: "key", path, table, start, end: at, valueStart, valueEnd, inArrayOfTables })
    }
  }
  return statements
}

/** The comments, in order; not those inside values. */
export const tomlComments = (text: string): ReadonlyArray<string> => {
  const keys = tomlStatements(text).filter(({ kind }) => kind === "key")
  const starts = [0, ...keys.map(({ valueEnd }) => valueEnd)]
  const between = starts.map((start, index) => text.slice(start, keys[index]?.start))
  return between.flatMap((part) => part.match(/#[^\r\n]*/g) ?? [])
}

/** The content of an inline table: `{ a = 1, b.c = 2 }`. Empty for any other value. */
export const inlineMembers = (
  text: string,
  { path: table, valueStart, valueEnd }: TomlStatement
): ReadonlyArray<TomlStatement> => {
  const members: Array<TomlStatement> = []
  if (text[valueStart] !== "{") return members
  const close = valueEnd - 1
  let at = skipFiller(text, valueStart + 1)
  while (at < close) {
    const key = readKey(text, at)
    const value = skipFiller(text, key.end + 1)
    const end = endOfValue(text, value)
    const path = [...table, ...key.path]
    members.push({ kind: "key", path, table, start: at, end, valueStart: value, valueEnd: end, inArrayOfTables: false })
    at = skipFiller(text, end)
    if (text[at] !== ",") break
    at = skipFiller(text, at + 1)
  }
  return members
}

export const isPrefix = (short: ReadonlyArray<string>, long: ReadonlyArray<string>): boolean =>
  short.length <= long.length && short.every((segment, index) => segment === long[index])

/** A dotted key, from its first character to the `=` or `]` behind it. */
const readKey = (text: string, from: number): { readonly path: ReadonlyArray<string>; readonly end: number } => {
  const path: Array<string> = []
  let at = skipBlanks(text, from)
  while (at < text.length && text[at] !== "=" && text[at] !== "]") {
    const quote = text[at]
    const start = at
    if (quote === '"' || quote === "'") at = endOfString(text, at)
    else while (at < text.length && /[A-Za-z0-9_-]/.test(text[at] ?? "")) at++
    const written = text.slice(start, at)
    path.push(quote === '"' ? unescapeKey(written) : quote === "'" ? written.slice(1, -1) : written)
    at = skipBlanks(text, at)
    if (text[at] !== ".") break
    at = skipBlanks(text, at + 1)
  }
  return { path, end: at }
}

/** Our keys have no escapes; two that look alike must not be confused. */
const unescapeKey = (written: string): string => (written.includes("\\") ? written : written.slice(1, -1))

const endOfValue = (text: string, from: number): number => {
  const first = text[from]
  if (first === '"' || first === "'") return endOfString(text, from)
  if (first === "[" || first === "{") return endOfBrackets(text, from)
  let at = from
  while (at < text.length && !/[#\n\r,}]/.test(text[at] ?? "")) at++
  while (/[ \t]/.test(text[at - 1] ?? "")) at--
  return at
}

const endOfBrackets = (text: string, from: number): number => {
  let depth = 0
  let at = from
  while (at < text.length) {
    const char = text[at]
    if (char === '"' || char === "'") at = endOfString(text, at)
    else if (char === "#") at = endOfLine(text, at)
    else {
      if (char === "[" || char === "{") depth++
      if (char === "]" || char === "}") depth--
      at++
      if (depth === 0) return at
    }
  }
  return at
}

const endOfString = (text: string, from: number): number => {
  const quote = text[from] ?? ""
  const isLong = text.startsWith(quote.repeat(3), from)
  const close = isLong ? quote.repeat(3) : quote
  let at = from + close.length
  while (at < text.length && !text.startsWith(close, at)) at += quote === '"' && text[at] === "\\" ? 2 : 1
  at += close.length
  // A long string may end in up to two quotes of its own.
  if (isLong) for (let extra = 0; extra < 2 && text[at] === quote; extra++) at++
  return at
}

const skipBlanks = (text: string, from: number): number => {
  let at = from
  while (text[at] === " " || text[at] === "\t") at++
  return at
}

/** After blanks, line ends and comments. */
const skipFiller = (text: string, from: number): number => {
  let at = from
  while (/[ \t\r\n#]/.test(text[at] ?? "")) at = text[at] === "#" ? endOfLine(text, at) : at + 1
  return at
}

const endOfLine = (text: string, from: number): number => {
  const at = text.indexOf("\n", from)
  return at < 0 ? text.length : at + 1
}
