/**
 * Replaces files of the settings, all or none.
 *
 * The caller orders the changes so that after each of them the settings read as before or as wanted: a crash in
 * between leaves nothing half done. On failure the files are restored.
 */
import { dirname } from "node:path"
import { Effect } from "effect"
import { ConfigFileNotWritten } from "../../messages/config.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import { replaceFile } from "../../platform/files/atomic-file.ts"
import { foreignLink, isBehindForeignLink } from "../../platform/files/file-place.ts"
import { makeDirectories, removeEmptyDirectory, removeFile } from "../../platform/files/given-files.ts"
import { codeOf } from "../../platform/process/error-code.ts"
import { fileOwner, ownerIn } from "../../platform/users/file-owner.ts"
import type { ConfigPlace } from "./read-sources.ts"

export interface FileChange {
  readonly path: string
  /** Undefined: missing. */
  readonly before: string | undefined
  /** Undefined: the file is removed, and its directory if empty. */
  readonly after: string | undefined
  /** Whether a text of this file contains a PIN or a password, so that it must not be world-readable. */
  readonly holdsSecret: (text: string) => boolean
  /** Of a copy: that of its source. */
  readonly mode?: number
}

export const writeFiles = (
  place: ConfigPlace,
  changes: ReadonlyArray<FileChange>
): Effect.Effect<ReadonlyArray<SettingWarning>, ConfigFileNotWritten> =>
  Effect.gen(function* () {
    // Before any of them is written: copies and other files would get the content, too.
    const linked = changes.find(({ path, before }) => before !== undefined && isBehindForeignLink(path))
    if (linked !== undefined)
      return yield* new ConfigFileNotWritten({ path: linked.path, step: "create", code: foreignLink })
    const warnings: Array<SettingWarning> = []
    const done: Array<FileChange> = []
    for (const change of changes) {
      const written = yield* Effect.result(writeOne(place, change))
      if (written._tag === "Failure") {
        for (const one of done.reverse())
          yield* Effect.ignore(writeOne(place, { ...one, before: one.after, after: one.before }))
        return yield* Effect.fail(written.failure)
      }
      done.push(change)
      warnings.push(...written.success)
    }
    return warnings
  })

const writeOne = (
  place: ConfigPlace,
  { path, before, after, holdsSecret, mode: given }: FileChange
): Effect.Effect<ReadonlyArray<SettingWarning>, ConfigFileNotWritten> =>
  Effect.gen(function* () {
    const failed = (error: unknown) => new ConfigFileNotWritten({ path, step: "create", code: codeOf(error) })
    if (after === undefined) {
      yield* Effect.try({ try: () => removeFile(path), catch: failed })
      if (dirname(path) !== place.configDir) removeEmptyDirectory(dirname(path))
      return []
    }
    yield* Effect.try({ try: () => makeDirectory(place, path), catch: failed })
    const owner = fileOwner(place.configDir)
    const wanted = owner.kind === "owner" ? { uid: owner.uid, gid: owner.gid } : undefined
    const mode = given ?? (holdsSecret(after) ? 0o640 : 0o644)
    const replaced = yield* replaceFile({
      path,
      content: after,
      mode,
      owner: wanted,
      inPlace: true,
      isEdit: before !== undefined
    }).pipe(Effect.mapError(({ step, code }) => new ConfigFileNotWritten({ path, step, code })))
    if (owner.kind === "unknown") return [{ kind: "owner-unknown", path, failure: owner.failure }]
    if (replaced.ownerProblem === undefined) return []
    const name = owner.kind === "owner" ? owner.name : "its former owner"
    return [{ kind: "owner-not-set", path, owner: name, code: replaced.ownerProblem }]
  })

/** The first setting on a fresh device creates the directory; those below it belong to the services. */
const makeDirectory = ({ configDir }: ConfigPlace, path: string): void => {
  const directory = dirname(path)
  makeDirectories(configDir)
  if (directory !== configDir) makeDirectories(directory, { owner: ownerIn(configDir), givenWithin: configDir })
}
