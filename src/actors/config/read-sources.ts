/**
 * Reads all sources of settings: the files and the environment.
 *
 * Does not load Effect, so that the fast front end of `tedge config get` returns the same as ConfigActor.
 */
import { join, resolve } from "node:path"
import type { Installation } from "../../messages/installation/installation.ts"
import { type FileLayer, fileLayer, type PlacedLayer, type TomlTable } from "../../messages/settings/file-layer.ts"
import {
  argumentLayer,
  emptyLayer,
  environmentLayer,
  joinedLayers,
  type Layer,
  layerWithout
} from "../../messages/settings/layer.ts"
import type { SettingWarning } from "../../messages/settings/refused-value.ts"
import type { Sources } from "../../messages/settings/resolve.ts"
import { cloudNames } from "../../messages/settings/setting.ts"
import { settingByKey } from "../../messages/settings/setting-name.ts"
import { parseTomlValue, readTomlFile, type TomlRead } from "../../platform/toml/toml-file.ts"
import { type AllCloudFiles, fileProfiles, mapperFile, readCloudFiles } from "./cloud-files.ts"
import { readCommonName } from "./common-name.ts"
import { credentialLayer, type OwnFile, type OwnFiles, readOwnFiles } from "./own-files.ts"
import { hasPin, textWithoutPin } from "./pin-text.ts"

/** Where this process reads its settings. */
export interface ConfigPlace {
  /** Absolute. */
  readonly configDir: string
  /** Base of relative paths in arguments and variables. */
  readonly workingDir: string
  readonly environment: { readonly [name: string]: string | undefined }
  /** Settings given as command options, by key; highest precedence. */
  readonly options?: { readonly [key: string]: string | undefined } | undefined
  /** The files count as absent: for a service that must start without them. */
  readonly withoutFile?: boolean | undefined
  /** Undefined: everything ours. */
  readonly installation?: Installation["kind"] | undefined
}

/** `configDir`: as given on the command line; without it TEDGE_CONFIG_DIR counts, then `/etc/tedge`. */
export const configPlace = (given: {
  readonly configDir: string | undefined
  readonly workingDir: string
  readonly environment: ConfigPlace["environment"]
  readonly options?: ConfigPlace["options"]
  readonly withoutFile?: boolean | undefined
  readonly installation?: ConfigPlace["installation"]
}): ConfigPlace => ({
  ...given,
  configDir: resolve(given.workingDir, given.configDir || given.environment.TEDGE_CONFIG_DIR || "/etc/tedge")
})

export type ReadSources =
  | {
      readonly kind: "sources"
      readonly sources: Sources
      readonly warnings: ReadonlyArray<SettingWarning>
      /** tedge.toml. */
      readonly file: ReadFile
      readonly clouds: AllCloudFiles
      readonly own: OwnFiles
    }
  | { readonly kind: "refused"; readonly path: string; readonly problem: FileProblem }

/** Parameters of an edit. */
export interface ReadFile {
  readonly path: string
  /** Undefined: missing. */
  readonly text: string | undefined
  readonly tree: TomlTable
  readonly layer: Extract<FileLayer, { kind: "layer" }>
}

export type FileProblem =
  | Exclude<TomlRead, { readonly kind: "read" | "absent" }>
  | Exclude<FileLayer, { readonly kind: "layer" }>

export const configFile = (place: ConfigPlace): string => join(place.configDir, "tedge.toml")

export const readSources = (place: ConfigPlace): ReadSources => {
  const path = configFile(place)
  const read: TomlRead = place.withoutFile === true ? { kind: "absent" } : readTomlFile(path)
  if (read.kind === "unreadable" || read.kind === "malformed") return { kind: "refused", path, problem: read }
  const tree = read.kind === "read" ? read.tree : { config: { version: "2" } }
  const layer = fileLayer(tree, path, place.configDir)
  if (layer.kind !== "layer") return { kind: "refused", path, problem: layer }
  const clouds = readCloudFiles(place.withoutFile === true ? undefined : place.configDir, tree)
  const own = readOwnFiles(place.configDir, place.withoutFile === true)
  const file = filesLayer(layer, clouds, own.p11Server)
  const environment = environmentLayer(place.environment, place.workingDir, parseTomlValue)
  const options = place.options === undefined ? emptyLayer : argumentLayer(place.options, place.workingDir)
  const sources: Sources = {
    configDir: place.configDir,
    options,
    environment,
    secrets: [credentialLayer(place.environment), own.secrets.layer],
    file,
    profiles: fileProfiles(clouds),
    variable: (name) => place.environment[name],
    commonName: readCommonName
  }
  const exposed = [
    ...(own.secrets.mode === undefined ? [] : exposure(own.secrets.path, own.secrets.mode, own.secrets.layer, false)),
    ...(read.kind === "read" ? exposure(path, read.mode, layer.layer, true) : []),
    ...mapperFiles(clouds).flatMap((one) => exposure(one.path, one.mode, one.layer, true))
  ]
  return {
    kind: "sources",
    sources,
    warnings: [
      ...file.warnings,
      ...own.secrets.layer.warnings,
      ...ignoredTables(place, path, clouds),
      ...oldPlaces(file, own),
      ...environment.warnings,
      ...exposed
    ],
    file: { path, text: read.kind === "read" ? read.text : undefined, tree, layer },
    clouds,
    own
  }
}

/** tedge.toml without settings that belong to other files, those of clouds, and that of tedge-p11-server. */
const filesLayer = ({ layer }: PlacedLayer, clouds: AllCloudFiles, p11Server: OwnFile): Layer => {
  const isElsewhere = (key: string): boolean =>
    p11Server.places.has(key) ||
    cloudNames.some((cloud) => clouds[cloud].layout === "mapper.toml" && key.startsWith(`${cloud}.`))
  const files = [...mapperFiles(clouds), p11Server]
  return joinedLayers([layerWithout(layer, isElsewhere), ...files.map((one) => one.layer)])
}

/** What `tedge config upgrade` moves to our own files. */
const oldPlaces = (file: Layer, { secrets, p11Server }: OwnFiles): ReadonlyArray<SettingWarning> =>
  [...file.entries].flatMap(([key, { value, source }]): ReadonlyArray<SettingWarning> => {
    if (source.kind !== "file") return []
    if (isSecretKey(key)) return [{ kind: "old-place", key, path: source.path, to: secrets.path }]
    if (typeof value === "string" && textWithoutPin(value) !== undefined)
      return [{ kind: "old-place", key, part: "pin", path: source.path, to: secrets.path }]
    const isOld = key.startsWith("p11_server.") && source.path !== p11Server.path
    return isOld ? [{ kind: "old-place", key, path: source.path, to: p11Server.path }] : []
  })

const mapperFiles = (clouds: AllCloudFiles) => cloudNames.flatMap((cloud) => clouds[cloud].files)

const ignoredTables = (place: ConfigPlace, path: string, clouds: AllCloudFiles): ReadonlyArray<SettingWarning> =>
  cloudNames
    .filter((cloud) => clouds[cloud].ignoredTable)
    .map((table) => {
      const { files, faults } = clouds[table]
      const instead =
        [...files, ...faults][0]?.path ?? mapperFile(place.configDir, { cloud: table, profile: undefined })
      return { kind: "ignored-table", table, path, instead }
    })

/** Whether the layer contains a PIN or a password. */
export const holdsSecret = (layer: Layer): boolean =>
  [...layer.entries].some(([key, { value }]) => isSecretKey(key) || (typeof value === "string" && hasPin(value)))

/** `key`: full, with or without profile. */
export const isSecretKey = (key: string): boolean => settingByKey(key.replace(/\.profiles\.[^.]+/, ""))?.secret === true

const exposure = (path: string, mode: number, layer: Layer, isOldPlace: boolean): ReadonlyArray<SettingWarning> =>
  (mode & 0o004) !== 0 && holdsSecret(layer)
    ? [{ kind: "secret-exposed", path, mode: mode.toString(8), ...(isOldPlace && { isOldPlace }) }]
    : []
