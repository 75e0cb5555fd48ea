/** Applies a change to one of our own files: secrets.toml or tedge-p11-server.toml. */
import { Effect } from "effect"
import { ConfigFileNotEditable } from "../../messages/config.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { editToml } from "../../platform/toml/toml-edit.ts"
import { tomlComments } from "../../platform/toml/toml-statements.ts"
import type { OwnFile } from "./own-files.ts"
import { pruned } from "./prune-tables.ts"
import type { FileChange } from "./write-files.ts"

/** The file to change. `isSecret`: only its user and group may read it. */
export const ownChange = (
  { path, text }: Pick<OwnFile, "path" | "text">,
  after: string | undefined,
  isSecret: boolean
): FileChange => ({ path, before: text, after, holdsSecret: () => isSecret })

/** Sets the setting in its current place; undefined removes it, and with the last one the file. */
export const editedOwn = (
  file: OwnFile,
  { key, at, value }: { readonly key: string; readonly at: ReadonlyArray<string>; readonly value: Value | undefined }
): Effect.Effect<string | undefined, ConfigFileNotEditable> =>
  Effect.gen(function* () {
    const places = file.places.get(key) ?? []
    if (value === undefined && places.length === 0) return file.text
    const [place = at, ...others] = places
    const edits = [{ at: place, value }, ...others.map((one) => ({ at: one, value: undefined }))]
    const result = editToml(file.text ?? "", edits)
    if (result.kind === "refused")
      return yield* new ConfigFileNotEditable({ path: file.path, key, detail: result.detail })
    if (value !== undefined) return result.text
    const left = pruned(result, place)
    const isEmpty = Object.keys(left.tree).length === 0 && tomlComments(left.text).length === 0
    return isEmpty ? undefined : left.text
  })
