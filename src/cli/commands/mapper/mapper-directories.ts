/**
 * The directories in `mappers`, of the built-in clouds and their profiles and user-defined ones, and the device identity of
 * each. Source: thin-edge, user-defined mappers ("Identity").
 */
import { readdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Redacted } from "effect"
import { readCommonName } from "../../../actors/config/common-name.ts"
import { ConfigFileMalformed, ConfigFileUnreadable, type ConfigProtocol } from "../../../messages/config.ts"
import { type CloudName, cloudNames } from "../../../messages/settings/setting.ts"
import { codeOf } from "../../../platform/process/error-code.ts"
import { readTomlFile, type TomlRead } from "../../../platform/toml/toml-file.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { askLimit } from "../config/config-command.ts"

export interface MapperDirectory {
  readonly name: string
  readonly path: string
  /** Undefined: a user-defined mapper. */
  readonly section: { readonly cloud: CloudName; readonly profile: string | undefined } | undefined
  /** Its mapper.toml. */
  readonly file: TomlRead
}

/** By name; empty if there is no directory `mappers`. */
export const mapperDirectories = (
  configDir: string
): Effect.Effect<ReadonlyArray<MapperDirectory>, ConfigFileUnreadable> => {
  const mappers = join(configDir, "mappers")
  return Effect.map(directoriesIn(mappers), (names) =>
    names.map((name) => {
      const [first = "", ...rest] = name.split(".")
      const cloud = cloudNames.find((one) => one === first)
      return {
        name,
        path: join(mappers, name),
        section: cloud && { cloud, profile: rest.length === 0 ? undefined : rest.join(".") },
        file: readTomlFile(join(mappers, name, "mapper.toml"))
      }
    })
  )
}

/** `directory`: of the mapper. */
export const unusableMapperFile = (
  directory: string,
  problem: Exclude<TomlRead, { readonly kind: "read" }>
): ConfigFileMalformed | ConfigFileUnreadable => {
  const path = join(directory, "mapper.toml")
  return problem.kind === "malformed"
    ? new ConfigFileMalformed({ path, ...problem })
    : new ConfigFileUnreadable({ path, code: problem.kind === "absent" ? "ENOENT" : problem.code })
}

const directoriesIn = (path: string): Effect.Effect<ReadonlyArray<string>, ConfigFileUnreadable> =>
  Effect.try({
    try: () => {
      const entries = readdirSync(path, { withFileTypes: true })
      return entries.flatMap((entry) => (entry.isDirectory() || entry.isSymbolicLink() ? entry.name : [])).sort()
    },
    catch: (error) => new ConfigFileUnreadable({ path, code: codeOf(error) })
  }).pipe(
    Effect.catchIf(
      ({ code }) => code === "ENOENT",
      () => Effect.succeed([])
    )
  )

interface MapperIdentity {
  readonly id: string
  readonly origin: "cert CN" | "mapper.toml" | "tedge.toml"
}

/** The device identity of a mapper, and its source. Undefined: none, or unreadable; the command that needs it reports why. */
export const mapperIdentity = (
  config: ActorRef<ConfigProtocol>,
  directory: MapperDirectory
): Effect.Effect<MapperIdentity | undefined> =>
  directory.section === undefined ? identityOfUsers(config, directory) : identityOfCloud(config, directory.section)

const identityOfCloud = (
  config: ActorRef<ConfigProtocol>,
  { cloud, profile }: NonNullable<MapperDirectory["section"]>
): Effect.Effect<MapperIdentity | undefined> =>
  Effect.map(
    orUndefined(config.ask("Get", { key: `${cloud}.device.id`, profile: profile ?? null }, askLimit)),
    (shown) => {
      if (shown?.value === undefined) return undefined
      const { kind } = shown.source ?? { kind: "default" }
      const origin = kind === "certificate" ? "cert CN" : kind === "fallback" ? "tedge.toml" : "mapper.toml"
      return { id: Redacted.value(shown.value), origin }
    }
  )

const identityOfUsers = (
  config: ActorRef<ConfigProtocol>,
  { file, path }: MapperDirectory
): Effect.Effect<MapperIdentity | undefined> =>
  Effect.gen(function* () {
    if (file.kind !== "read") return undefined
    const { auth_method: method = "auto", credentials_path: credentials } = file.tree
    const byPassword = method === "auto" ? credentials !== undefined : method !== "certificate"
    const device = typeof file.tree.device === "object" && file.tree.device !== null ? { ...file.tree.device } : {}
    const { id, cert_path: own } = device as { readonly id?: unknown; readonly cert_path?: unknown }
    if (!byPassword) {
      const certPath = typeof own === "string" ? resolve(path, own) : yield* settingOf(config, "device.cert_path")
      const read = readCommonName(certPath ?? "")
      if ("name" in read) return { id: read.name, origin: "cert CN" } as const
    }
    if (typeof id === "string") return { id, origin: "mapper.toml" } as const
    const inherited = yield* settingOf(config, "device.id")
    return inherited === undefined ? undefined : ({ id: inherited, origin: "tedge.toml" } as const)
  })

const settingOf = (config: ActorRef<ConfigProtocol>, key: string): Effect.Effect<string | undefined> =>
  Effect.map(orUndefined(config.ask("Get", { key }, askLimit)), (shown) => shown?.value && Redacted.value(shown.value))

const orUndefined = <A, E>(ask: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  Effect.catch(ask, () => Effect.succeed(undefined))
