/** The files of a connection: read, written and restored; each failure is a refusal that names the file. */
import { dirname } from "node:path"
import { Effect } from "effect"
import { FileNotWritten } from "../../messages/connect.ts"
import { replaceFile } from "../../platform/files/atomic-file.ts"
import { makeDirectories, removeFile } from "../../platform/files/given-files.ts"
import { readRegularText } from "../../platform/files/read-file.ts"
import { codeOf } from "../../platform/process/error-code.ts"

/** Undefined: missing. */
export const readIfPresent = (path: string): Effect.Effect<string | undefined, FileNotWritten> =>
  Effect.try({ try: () => readRegularText(path), catch: (error) => codeOf(error) }).pipe(
    Effect.catch((code) =>
      code === "ENOENT" || code === "ENOTDIR"
        ? Effect.succeed(undefined)
        : Effect.fail(new FileNotWritten({ path, code }))
    )
  )

/** Creates the directory if necessary. The file is replaced atomically, world-readable (mosquitto is another user). */
export const writeWhole = (path: string, content: string): Effect.Effect<void, FileNotWritten> =>
  Effect.andThen(
    orNotWritten(path, () => makeDirectories(dirname(path))),
    replaceFile({ path, content, mode: 0o644, inPlace: true }).pipe(
      Effect.mapError(({ code }) => new FileNotWritten({ path, code })),
      Effect.asVoid
    )
  )

export const removeIfPresent = (path: string): Effect.Effect<void, FileNotWritten> =>
  orNotWritten(path, () => removeFile(path))

/** Restores what `readIfPresent` returned. */
export const putBack = (path: string, content: string | undefined): Effect.Effect<void, FileNotWritten> =>
  content === undefined ? removeIfPresent(path) : writeWhole(path, content)

export const orNotWritten = <A>(path: string, work: () => A): Effect.Effect<A, FileNotWritten> =>
  Effect.try({ try: work, catch: (error) => new FileNotWritten({ path, code: codeOf(error) }) })
