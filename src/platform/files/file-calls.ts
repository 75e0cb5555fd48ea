/** File system calls and their errors, shared by the modules that write files. */
import type * as nodeFiles from "node:fs"
import { codeOf } from "../process/error-code.ts"

/** The calls for writing; tests make each of them fail. */
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
 * Sets owner and mode by descriptor. A file system without owners (FAT, some CIFS and FUSE) refuses or ignores both; the
 * file is written nevertheless. `exposedMode`: the actual mode, if it grants others more than intended.
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

/** Errors of chmod(2) on file systems without modes. */
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
