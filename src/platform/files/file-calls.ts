/** The calls on files and what they may refuse, as the modules that write files share them. */
import type * as nodeFiles from "node:fs"
import { codeOf } from "../process/error-code.ts"

/** The calls that writing is made of; tests let each of them fail. */
export type FileCalls = Pick<
  typeof nodeFiles,
  | "closeSync"
  | "fchmodSync"
  | "fchownSync"
  | "fstatSync"
  | "fsyncSync"
  | "ftruncateSync"
  | "openSync"
  | "readSync"
  | "renameSync"
  | "rmSync"
  | "writeSync"
>

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Owner and mode, by descriptor. A file system without owners (FAT, some CIFS and FUSE) refuses or ignores both; that
 * keeps nothing from being written. `exposedMode`: others can read what was to be closed to them.
 */
export const give = (
  file: number,
  owner: Owner | undefined,
  mode: number,
  calls: FileCalls
): { readonly ownerProblem: string | undefined; readonly exposedMode: number | undefined } => {
  const ownerProblem = owner && attempt(() => calls.fchownSync(file, owner.uid, owner.gid))
  const modeProblem = attempt(() => calls.fchmodSync(file, mode))
  if (modeProblem !== undefined && !withoutModes.has(modeProblem))
    throw Object.assign(new Error(`fchmod: ${modeProblem}`), { code: modeProblem })
  if ((mode & 0o004) !== 0) return { ownerProblem, exposedMode: undefined }
  const actual = calls.fstatSync(file).mode & 0o777
  return { ownerProblem, exposedMode: (actual & 0o004) === 0 ? undefined : actual }
}

/** What file systems that keep no modes say to chmod(2). */
const withoutModes: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"])

export const writeAll = (file: number, bytes: Buffer, calls: FileCalls, from?: number): void => {
  for (let written = 0; written < bytes.length; )
    written +=
      from === undefined
        ? calls.writeSync(file, bytes, written)
        : calls.writeSync(file, bytes, written, bytes.length - written, from + written)
}

/** The error code if it fails. */
export const attempt = (step: () => void): string | undefined => {
  try {
    step()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}
