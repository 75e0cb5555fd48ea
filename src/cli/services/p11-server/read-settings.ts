/**
 * All settings of tedge-p11-server, read at the start and again on SIGHUP.
 *
 * Precedence: option, environment, tedge.toml, default; empty means unset. With an unreadable tedge.toml the service starts
 * and refuses all requests, as the file may contain scope and rules; a running service keeps its settings.
 */
import { join, relative, resolve } from "node:path"
import { getSystemErrorMap } from "node:util"
import { Effect, Redacted } from "effect"
import {
  type ConfigFileMalformed,
  ConfigFileUnreadable,
  type ConfigProtocol,
  type ReadRefusal
} from "../../../messages/config.ts"
import { logLine } from "../../../messages/explain/explanation.ts"
import { explainFileLeftOut } from "../../../messages/explain/p11-server.ts"
import { explainSettingWarning } from "../../../messages/explain/settings.ts"
import {
  ConfigFileGone,
  GroupUnknown,
  type P11ServerPolicy,
  PinFileUnusable,
  type RuleInvalid,
  type SettingsUnread
} from "../../../messages/p11-server.ts"
import type { ServiceUserUnknown, SystemFileInvalid } from "../../../messages/platform.ts"
import { isTable, type TomlTable } from "../../../messages/settings/file-layer.ts"
import type { SettingWarning } from "../../../messages/settings/refused-value.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { CryptokiOff } from "../../../messages/token-refusals.ts"
import { readTomlFile } from "../../../platform/toml/toml-file.ts"
import { groupId } from "../../../platform/users/accounts.ts"
import { type ServiceAccount, type ServiceUser, serviceUser } from "../../../platform/users/service-user.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef, AnswerOf } from "../../../runtime/protocol.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { startConfigActor } from "../../compose/compose-config.ts"
import { hostUser } from "../../compose/compose-cryptoki.ts"
import type { LogLevelName } from "../../terminal/logging.ts"
import { pinCredential, readPinFile } from "../pin-file.ts"
import { accessRules, type OwnTable } from "./access-rules.ts"
import { type ServerValues, serverOptions, serverValues } from "./server-values.ts"

export interface ServerSettings {
  readonly configDir: string
  readonly serviceUser: ServiceUser
  /** User of the token hosts; undefined: the service's own. */
  readonly hostUser: ServiceAccount | undefined
  /** The files that existed, and whose settings these are. */
  readonly files: ReadonlyArray<string>
  readonly modulePath: string
  readonly socketPath: string
  readonly socketMode: number
  /** Undefined: the process's. */
  readonly socketGroup: number | undefined
  readonly runPath: string
  readonly metricsFile: string | undefined
  /** Settings of tedge.toml. */
  readonly logLevel: LogLevelName | undefined
  readonly policy: P11ServerPolicy
}

export type SettingsRefusal =
  | ReadRefusal
  | AskFailed
  | CryptokiOff
  | ServiceUserUnknown
  | SystemFileInvalid
  | RuleInvalid
  | GroupUnknown
  | PinFileUnusable
  | ConfigFileGone

/** `start`: an unreadable file is ignored, with a warning. `mustBeThere`: refuses if one of these is missing. */
export const readServerSettings = (
  input: CommandInput,
  occasion: "start" | "reload",
  { mustBeThere }: { readonly mustBeThere: ReadonlyArray<string> } = { mustBeThere: [] }
): Effect.Effect<ServerSettings, SettingsRefusal> =>
  Effect.gen(function* () {
    const { settings, warnings, values, unread } = yield* readFromConfig(input, occasion)
    // An unreadable file exists: once it is removed it is not read either.
    const own =
      unread === undefined ? yield* ownTables(settings) : { path: unread.path, table: {}, files: [unread.path] }
    // First: without the file the module may be missing too, which would be the wrong error.
    const gone = mustBeThere.find((one) => !own.files.includes(one))
    if (gone !== undefined) return yield* new ConfigFileGone({ path: gone })
    for (const warning of warnings) yield* warn(warning)
    const { modulePath, uri } = settings.cryptoki
    if (modulePath === undefined && unread === undefined)
      return yield* new CryptokiOff({ missing: "device.cryptoki.module_path" })
    // Once: for a name that is in no file, a process is started.
    const user = serviceUser(settings.configDir)
    const host = values.tokenAsRoot ? { account: undefined } : hostUser(settings.configDir, user)
    if ("failure" in host) return yield* Effect.fail(host.failure)
    const pin = unread === undefined ? yield* servicePin(settings, values) : undefined
    const group = values.socketGroup === undefined ? undefined : groupId(values.socketGroup)
    if (values.socketGroup !== undefined && group === undefined)
      return yield* new GroupUnknown({ name: values.socketGroup })
    return {
      configDir: settings.configDir,
      serviceUser: user,
      hostUser: host.account,
      files: own.files,
      modulePath: modulePath ?? "",
      socketPath: settings.cryptoki.socketPath,
      socketMode: values.socketMode,
      socketGroup: group,
      runPath: settings.run.path,
      metricsFile: values.metricsFile,
      logLevel: values.logLevel,
      policy: {
        scope: uri,
        defaultPin: pin,
        rules: yield* accessRules(own),
        limits: values.limits,
        ...(unread === undefined ? {} : { unread })
      }
    }
  })

type FromConfig = AnswerOf<ConfigProtocol, "ReadSettings"> & {
  readonly values: ServerValues
  readonly unread: SettingsUnread | undefined
}

const readFromConfig = (
  input: CommandInput,
  occasion: "start" | "reload"
): Effect.Effect<FromConfig, ReadRefusal | AskFailed> => {
  const read = (unread: SettingsUnread | undefined) =>
    Effect.scoped(
      Effect.gen(function* () {
        const config: ActorRef<ConfigProtocol> = yield* startConfigActor(input, optionsOf(input), {
          withoutFile: unread !== undefined
        })
        const answer = yield* config.ask("ReadSettings", { secrets: "required" }, { within: "30 seconds" })
        const listed = yield* config.ask("List", { filter: "p11_server." }, { within: "30 seconds" })
        const { settings: own, leftOut } = listed
        if (leftOut[0] !== undefined) return yield* Effect.fail(leftOut[0])
        return { ...answer, values: serverValues(own), unread }
      })
    )
  const withoutFile = (problem: ConfigFileMalformed | ConfigFileUnreadable) => {
    const unread = unreadFile(problem)
    const shown = { ...unread, path: asGiven(input, unread.path) }
    return Effect.andThen(Effect.logWarning(explainFileLeftOut(shown)), read(unread))
  }
  if (occasion === "reload") return read(undefined)
  return read(undefined).pipe(Effect.catchTags({ ConfigFileMalformed: withoutFile, ConfigFileUnreadable: withoutFile }))
}

/** A file in the configuration directory, with the directory as it was given: scripts match the line. */
const asGiven = (input: CommandInput, path: string): string => {
  const directory = (input.text("config-dir") || "/etc/tedge").replace(/\/+$/, "")
  return `${directory}/${relative(resolve(directory), path)}`
}

const unreadFile = (problem: ConfigFileMalformed | ConfigFileUnreadable): SettingsUnread => {
  const { path } = problem
  if (problem._tag === "ConfigFileMalformed") return { path, unreadable: undefined }
  const words = [...getSystemErrorMap().values()].find(([name]) => name === problem.code)?.[1] ?? problem.code
  return { path, unreadable: words.charAt(0).toUpperCase() + words.slice(1) }
}

/** The command's options, as settings. */
const optionsOf = (input: CommandInput): Readonly<Record<string, string | undefined>> => {
  const pin = input.given("pin") ? input.secret("pin") : undefined
  const given = (option: string): string | undefined => (input.given(option) ? input.text(option) : undefined)
  return {
    "device.cryptoki.socket_path": given("socket-path"),
    "device.cryptoki.module_path": given("module-path"),
    "device.cryptoki.uri": given("uri"),
    "device.cryptoki.pin": pin && Redacted.value(pin),
    ...serverOptions(input)
  }
}

const warn = (warning: SettingWarning): Effect.Effect<void> =>
  Effect.logWarning(logLine(explainSettingWarning(warning)))

/** The rules: those of tedge-p11-server.toml, else of `[p11_server]` in tedge.toml. */
const ownTables = (
  settings: Settings
): Effect.Effect<OwnTable & { readonly files: ReadonlyArray<string> }, ConfigFileUnreadable> =>
  Effect.gen(function* () {
    const old = yield* ownTable(settings.configFile)
    const own = yield* ownTable(join(settings.configDir, "tedge-p11-server.toml"))
    const files = [old, own].flatMap(({ path, tree }) => (tree === undefined ? [] : [path]))
    const table = { ...own.tree, ...tableIn(own.tree) }
    const place = table.rules === undefined ? { path: old.path, table: tableIn(old.tree) } : { path: own.path, table }
    return { ...place, files }
  })

/** ConfigActor read the file just before; if it is unreadable now, its rules must not be dropped. */
const ownTable = (path: string) => {
  const read = readTomlFile(path)
  return read.kind === "unreadable" || read.kind === "malformed"
    ? Effect.fail(new ConfigFileUnreadable({ path, code: read.kind === "unreadable" ? read.code : "EAGAIN" }))
    : Effect.succeed({ path, tree: read.kind === "read" ? read.tree : undefined })
}

const tableIn = (tree: TomlTable | undefined): TomlTable => (isTable(tree?.p11_server) ? tree.p11_server : {})

/**
 * Precedence: option, variable, systemd credential, files; at each of these the PIN itself before a file with it, and in
 * files the PIN in a URI last.
 *
 * A missing credential is refused, unless a PIN is configured otherwise: the guide's default is for a device without any
 * PIN setting.
 */
const servicePin = ({ cryptoki }: Settings, { pinFile, pinFileSource }: ServerValues) =>
  Effect.gen(function* () {
    const { pin, pinSource: source } = cryptoki
    const credential = pinCredential(process.env)
    if (source?.kind === "argument") return pin
    if (pinFileSource === "argument") return yield* fromFile(pinFile)
    if (source?.kind === "variable") return pin
    if (pinFileSource === "variable" && pinFile !== credential?.path) return yield* fromFile(pinFile)
    const isAsked = pinFileSource === "variable"
    if (credential?.isThere) return yield* fromFile(credential.path, unit)
    const ofSetting = source?.isInUri === true ? undefined : pin
    const configured = isAsked ? undefined : (ofSetting ?? (yield* fromFile(pinFile)) ?? pin)
    if (credential !== undefined && configured === undefined)
      return yield* new PinFileUnusable({ path: credential.path, unit, reason: "noCredential", code: "" })
    return configured
  })

const unit = "tedge-p11-server"

const fromFile = (
  path: string | undefined,
  unit?: string
): Effect.Effect<Redacted.Redacted<string> | undefined, PinFileUnusable> =>
  path === undefined
    ? Effect.succeed(undefined)
    : Effect.gen(function* () {
        const { pin, exposedMode } = yield* readPinFile(path, unit)
        if (exposedMode !== undefined) yield* warn({ kind: "secret-exposed", path, mode: exposedMode })
        return pin
      })
