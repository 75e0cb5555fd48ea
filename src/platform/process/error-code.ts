/** The code that a failed call of the system, of Node or of an add-on carries: `ENOENT`, `ERR_TLS_SIGN`. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && error.code !== undefined ? String(error.code) : undefined

/** The same; the message of what carries none. */
export const codeOf = (error: unknown): string => errorCode(error) ?? messageOf(error)

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
