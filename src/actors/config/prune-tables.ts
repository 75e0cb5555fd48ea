/** Removes the tables that a removed setting leaves empty. */
import { isTable, type TomlPath, type TomlTable } from "../../messages/settings/file-layer.ts"
import { editToml, type TomlEdited } from "../../platform/toml/toml-edit.ts"

type Edited = Extract<TomlEdited, { readonly kind: "edited" }>

/** `at`: the path of the removed setting. A table with its own comments may stay. */
export const pruned = (edited: Edited, at: TomlPath): Edited => {
  const emptied = emptyTable(edited.tree, at)
  const result = emptied && editToml(edited.text, [{ at: emptied, value: undefined }])
  return result?.kind === "edited" ? result : edited
}

/** The highest table of the path that is now empty. */
const emptyTable = (tree: TomlTable, at: TomlPath): TomlPath | undefined => {
  for (let length = 1; length < at.length; length++) {
    const table = at.slice(0, length).reduce<unknown>((value, key) => (isTable(value) ? value[key] : undefined), tree)
    if (isTable(table) && isEmpty(table)) return at.slice(0, length)
  }
  return undefined
}

const isEmpty = (table: TomlTable): boolean => Object.values(table).every((value) => isTable(value) && isEmpty(value))
