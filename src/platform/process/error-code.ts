/** The code that a failed call of the system, of Node or of an add-on carries: `ENOENT`, `ERR_TLS_SIGN`. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && error.code !== undefined ? String(error.code) : undefined
