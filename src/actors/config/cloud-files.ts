/**
 * The file of a cloud's settings: `mappers/<cloud>[.<profile>]/mapper.toml`, or tedge.toml.
 *
 * A cloud with a mapper.toml, of whatever profile, has its settings there, and a table in tedge.toml is ignored. One
 * without has them in tedge.toml as soon as that has a table of any cloud; else its first setting makes its mapper.toml.
 * Source: thin-edge 2, tedge_config_location.
 */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import {
  type CloudProfile,
  cloudTablesOf,
  mapperLayer,
  type PlacedLayer,
  type TomlTable
} from "../../messages/settings/file-layer.ts"
import { type CloudName, cloudNames } from "../../messages/settings/setting.ts"
import { parseProfile } from "../../messages/settings/setting-name.ts"
import { codeOf } from "../../platform/process/error-code.ts"
import { readTomlFile, type TomlRead } from "../../platform/toml/toml-file.ts"

/** Parameters of an edit. */
export interface MapperFile extends CloudProfile, PlacedLayer {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** An unusable file. */
interface CloudFault {
  readonly profile: string | undefined
  /** The directory `mappers` itself: no section is known. */
  readonly isDirectory?: true
  readonly path: string
  readonly problem: Exclude<TomlRead, { readonly kind: "read" | "absent" }>
}

interface CloudFiles {
  readonly layout: "mapper.toml" | "tedge.toml"
  readonly files: ReadonlyArray<MapperFile>
  readonly faults: ReadonlyArray<CloudFault>
  /** tedge.toml has a table of the cloud, which is ignored. */
  readonly ignoredTable: boolean
}

export type AllCloudFiles = Readonly<Record<CloudName, CloudFiles>>

export const mapperFile = (configDir: string, { cloud, profile }: CloudProfile): string =>
  join(mappersDirectory(configDir), profile === undefined ? cloud : `${cloud}.${profile}`, "mapper.toml")

/** `tedge`: content of tedge.toml. `configDir` undefined: the files count as absent. */
export const readCloudFiles = (configDir: string | undefined, tedge: TomlTable): AllCloudFiles => {
  const none: CloudFiles = { layout: "mapper.toml", files: [], faults: [], ignoredTable: false }
  if (configDir === undefined) return { c8y: none, az: none, aws: none }
  const names = directoriesIn(mappersDirectory(configDir))
  const tables = cloudTablesOf(tedge)
  const filesOf = (cloud: CloudName): CloudFiles => {
    if (typeof names === "string") {
      const path = mappersDirectory(configDir)
      const problem = { kind: "unreadable", code: names } as const
      const fault: CloudFault = { profile: undefined, isDirectory: true, path, problem }
      return { ...none, faults: [fault] }
    }
    const read = names.flatMap((name) => {
      const section = sectionOf(name, cloud)
      return section === undefined ? [] : readMapperFile(configDir, section)
    })
    const isNew = read.length > 0 || tables.length === 0
    return {
      layout: isNew ? "mapper.toml" : "tedge.toml",
      files: read.filter((one) => "text" in one),
      faults: read.filter((one) => "problem" in one),
      ignoredTable: isNew && tables.includes(cloud)
    }
  }
  return { c8y: filesOf("c8y"), az: filesOf("az"), aws: filesOf("aws") }
}

/** Sections that have a file, usable or not. */
export const fileProfiles = (clouds: AllCloudFiles): ReadonlyMap<CloudName, ReadonlyArray<string>> =>
  new Map(
    cloudNames.map((cloud) => [
      cloud,
      [...clouds[cloud].files, ...clouds[cloud].faults].flatMap(({ profile }) => (profile === undefined ? [] : profile))
    ])
  )

/** Why the settings of a section cannot be read; undefined: they can. */
export const faultOf = ({ faults }: CloudFiles, profile: string | undefined): CloudFault | undefined =>
  faults.find((fault) => fault.isDirectory === true || fault.profile === profile)

const readMapperFile = (configDir: string, section: CloudProfile): ReadonlyArray<MapperFile | CloudFault> => {
  const path = mapperFile(configDir, section)
  const read = readTomlFile(path)
  if (read.kind === "absent") return []
  if (read.kind !== "read") return [{ profile: section.profile, path, problem: read }]
  const layer = mapperLayer(read.tree, section, { path, directory: configDir })
  return [{ ...section, ...layer, path, text: read.text, mode: read.mode }]
}

/** Undefined: not a directory of this cloud, or its name is not a valid profile. */
const sectionOf = (directory: string, cloud: CloudName): CloudProfile | undefined => {
  if (directory === cloud) return { cloud, profile: undefined }
  const name = directory.startsWith(`${cloud}.`) ? directory.slice(cloud.length + 1) : ""
  const parsed = parseProfile(name)
  return "name" in parsed && parsed.name === name ? { cloud, profile: name } : undefined
}

/** The error code if they cannot be listed. */
const directoriesIn = (path: string): ReadonlyArray<string> | string => {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(path)
  } catch (error) {
    return codeOf(error)
  }
}

const mappersDirectory = (configDir: string): string => join(configDir, "mappers")
