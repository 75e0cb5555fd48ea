/** The code of an error of the system, Node or an add-on: `ENOENT`, `ERR_TLS_SIGN`. Libraries number theirs: not those. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

/** The code; without one, the message. */
export const codeOf = (error: unknown): string => errorCode(error) ?? messageOf(error)

/** Why a file cannot be read, by that code; undefined: another reason. */
export const fileFault = (code: string): "missing" | "noPermission" | "isDirectory" | undefined => fileFaults[code]

const fileFaults: Readonly<Record<string, ReturnType<typeof fileFault>>> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  EACCES: "noPermission",
  EPERM: "noPermission",
  EISDIR: "isDirectory"
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
