/**
 * `tedge __complete -- WORD…`, called by the shells: prints the candidates, from commands, settings and the profiles of
 * this device.
 *
 * Runs without Effect, whose loading would delay the Tab key.
 */
import { configPlace, readSources } from "../../../actors/config/read-sources.ts"
import { knownProfiles, type Sources } from "../../../messages/settings/resolve.ts"
import { type CloudName, cloudNames } from "../../../messages/settings/setting.ts"
import { parseSettingName } from "../../../messages/settings/setting-name.ts"
import { settingsTable } from "../../../messages/settings/settings-table.ts"
import type { Program } from "../../command-line/command-spec.ts"
import { readWords } from "../../command-line/command-words.ts"
import { type Candidate, completeWords, type Known } from "./complete-words.ts"

/** Output for stdout; undefined: not a completion request. */
export const answerShell = (
  program: Program,
  argv: ReadonlyArray<string>,
  {
    environment,
    workingDir
  }: {
    readonly environment: Readonly<Record<string, string | undefined>>
    readonly workingDir: string
  }
): string | undefined => {
  if (argv[0] !== "__complete") return undefined
  const words = argv.slice(argv[1] === "--" ? 2 : 1)
  const configDir = readWords(program, words.slice(0, -1)).options.find(({ name }) => name === "config-dir")?.value
  const read = readSources(configPlace({ configDir, workingDir, environment }))
  const { candidates, files } = completeWords(
    program,
    words,
    knownOf(read.kind === "sources" ? read.sources : undefined)
  )
  const lines = candidates.map(({ word, says }) => `${word}\t${says}`)
  return [...lines, ...(files ? [":files"] : []), ""].join("\n")
}

/** Undefined: unreadable settings; commands are still completed. */
const knownOf = (sources: Sources | undefined): Known => {
  const profilesOf = (cloud: CloudName) => (sources === undefined ? [] : knownProfiles(sources, cloud))
  return {
    settings: (typed) => settingsTable.flatMap(({ key, doc }) => named(key, doc, typed, profilesOf)),
    mapperSettings: () => settingsTable.flatMap(({ key, doc }) => ofMappers(key, doc, profilesOf)),
    valuesOf: (key) => {
      const type = parseSettingName(key)?.setting.type
      if (type?.kind === "boolean") return ["true", "false"]
      return type?.kind === "choice" ? type.choices : []
    },
    profiles: (cloud) => {
      const clouds = cloudNames.filter((name) => cloud === undefined || name === cloud)
      return [...new Set(clouds.flatMap(profilesOf))]
    }
  }
}

/** `c8y.url`, and `c8y.prod.url` of a profile: `tedge mapper config get` takes a mapper before the key. */
const ofMappers = (
  key: string,
  doc: string,
  profilesOf: (cloud: CloudName) => ReadonlyArray<string>
): ReadonlyArray<Candidate> => {
  const cloud = cloudNames.find((name) => key.startsWith(`${name}.`))
  if (cloud === undefined) return []
  const says = firstSentence(doc)
  const profiled = profilesOf(cloud).map((profile) => `${cloud}.${profile}${key.slice(cloud.length)}`)
  return [key, ...profiled].map((word) => ({ word, says }))
}

const firstSentence = (doc: string): string => /^.*?\.(?=\s|$)/s.exec(doc)?.[0] ?? doc

/** A setting of a cloud exists in each profile too; offered once the profile's prefix is typed. */
const named = (
  key: string,
  doc: string,
  typed: string,
  profilesOf: (cloud: CloudName) => ReadonlyArray<string>
): ReadonlyArray<Candidate> => {
  const says = firstSentence(doc)
  const cloud = cloudNames.find((name) => key.startsWith(`${name}.`))
  if (cloud === undefined || !typed.startsWith(`${cloud}.profiles`)) return [{ word: key, says }]
  return profilesOf(cloud).map((profile) => ({
    word: `${cloud}.profiles.${profile}${key.slice(cloud.length)}`,
    says
  }))
}
