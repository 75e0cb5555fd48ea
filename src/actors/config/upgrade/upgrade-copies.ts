/** The copies that `tedge config upgrade` makes before it removes something, and which of them (or of thin-edge's) contain a secret. */
import { readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileLayer, mapperLayer } from "../../../messages/settings/file-layer.ts"
import type { Layer } from "../../../messages/settings/layer.ts"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import { cloudNames } from "../../../messages/settings/setting.ts"
import { readTomlFile } from "../../../platform/toml/toml-file.ts"
import { isWithoutContent } from "../edit-mapper-file.ts"
import { holdsSecret } from "../read-sources.ts"
import type { FileChange } from "../write-files.ts"

export type SecretCopy = Extract<SettingWarning, { readonly kind: "secret-copy" }>

export const secretCopies = (configDir: string): ReadonlyArray<SecretCopy> => {
  const mappers = join(configDir, "mappers")
  const directories = namesIn(mappers).map((name) => join(mappers, name))
  // `tedge.toml.bak`, and later ones with a number appended.
  return [configDir, ...directories].flatMap((directory) =>
    namesIn(directory)
      .filter((name) => /^(tedge|mapper)\.toml\.bak(\.\d+)?$/.test(name))
      .flatMap((name) => secretCopy(join(directory, name)))
  )
}

const secretCopy = (path: string): ReadonlyArray<SecretCopy> => {
  const read = readTomlFile(path)
  if (read.kind !== "read") return [] // for those who may read it
  const layer = layerFrom(read.tree, path)
  return layer !== undefined && holdsSecret(layer)
    ? [{ kind: "secret-copy", path, mode: (read.mode & 0o777).toString(8) }]
    : []
}

const layerFrom = (tree: Readonly<Record<string, unknown>>, path: string): Layer | undefined => {
  const directory = dirname(path)
  const cloud = cloudNames.find((name) => /^(\w+)(\.|$)/.exec(directory.split("/").at(-1) ?? "")?.[1] === name)
  if (/\/mapper\.toml/.test(path))
    return cloud && mapperLayer(tree, { cloud, profile: undefined }, { path, directory }).layer
  const read = fileLayer(tree, path, directory)
  return read.kind === "layer" ? read.layer : undefined
}

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory).sort()
  } catch {
    return [] // missing or unreadable
  }
}

/**
 * Beside each file from which something is removed, with its mode. An existing copy is kept, as it may be from
 * before a crash, or of thin-edge's own upgrade: then `.bak.1` and so on.
 */
export const copyOf = ({ path, before }: FileChange): ReadonlyArray<FileChange> => {
  const isOurs = /\/(secrets|tedge-p11-server)\.toml$/.test(path)
  if (before === undefined || isOurs || isWithoutContent(before)) return []
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
