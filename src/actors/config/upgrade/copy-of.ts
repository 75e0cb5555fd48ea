/** The copy that `tedge config upgrade` makes of a file before it takes something out of it. */
import { readTomlFile } from "../../../platform/toml/toml-file.ts"
import type { FileChange } from "../write-files.ts"

/**
 * Beside each file of which something is taken away, with its mode. A copy that is there stays as it is, as it may be that
 * of a state before a crash, or of thin-edge's own upgrade: then `.bak.1` and so on.
 */
export const copyOf = ({ path, before }: FileChange): ReadonlyArray<FileChange> => {
  const isOurs = /\/(secrets|tedge-p11-server)\.toml$/.test(path)
  if (before === undefined || isOurs) return []
  const source = readTomlFile(path)
  const mode = source.kind === "read" ? { mode: source.mode & 0o777 } : {}
  for (let number = 0; ; number++) {
    const copy = number === 0 ? `${path}.bak` : `${path}.bak.${number}`
    const present = readTomlFile(copy)
    if (present.kind === "absent")
      return [{ path: copy, before: undefined, after: before, holdsSecret: () => true, ...mode }]
    if (present.kind === "read" && present.text === before) return []
  }
}
