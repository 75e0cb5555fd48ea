/**
 * `[[p11_server.rules]]`: permissions, as written in tedge-p11-server.toml (`[[rules]]`) or tedge.toml.
 *
 * A rule names one user or group. Without `operations` it keeps the default ones, and only narrows them by `uri`.
 */
import { Effect, Result } from "effect"
import {
  type AccessRule,
  allOperations,
  everybodysOperations,
  RuleInvalid,
  type ServerOperation
} from "../../../messages/p11-server.ts"
import { type Pkcs11Uri, parsePkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { isTable, type TomlTable } from "../../../messages/settings/file-layer.ts"
import { groupId, userId } from "../../../platform/users/accounts.ts"

/** `[p11_server]` of the file at `path`. */
export interface OwnTable {
  readonly path: string
  readonly table: TomlTable
}

export const accessRules = ({ path, table }: OwnTable): Effect.Effect<ReadonlyArray<AccessRule>, RuleInvalid> => {
  const { rules = [] } = table
  if (!Array.isArray(rules)) return Effect.fail(new RuleInvalid({ path, number: 1, problem: "noTable", found: "" }))
  return Effect.forEach(rules, (rule: unknown, index) =>
    Effect.mapError(accessRule(rule), (wrong) => new RuleInvalid({ path, number: index + 1, ...wrong }))
  )
}

interface Wrong {
  readonly problem: RuleInvalid["problem"]
  readonly found: string
}

const accessRule = (rule: unknown): Effect.Effect<AccessRule, Wrong> =>
  Effect.gen(function* () {
    if (!isTable(rule)) return yield* wrong("noTable", String(rule))
    const stranger = Object.keys(rule).find((key) => !keys.includes(key))
    if (stranger !== undefined) return yield* wrong("unknownKey", stranger)
    const operations = yield* operationsOf(rule.operations)
    const scope = yield* scopeOf(rule.uri)
    return { who: yield* whoOf(rule), operations, ...(scope === undefined ? {} : { scope }) }
  })

const whoOf = (rule: TomlTable): Effect.Effect<AccessRule["who"], Wrong> => {
  const named = whoKeys.filter((key) => rule[key] !== undefined)
  const [key] = named
  if (key === undefined || named.length > 1) return wrong("who", named.join(", "))
  const value = rule[key]
  const isNumber = key === "uid" || key === "gid"
  if (isNumber ? !isId(value) : typeof value !== "string" || value === "") return wrong("who", `${key} = ${value}`)
  const id = key === "user" || key === "uid" ? userId(String(value)) : groupId(String(value))
  if (id === undefined) return wrong("unknownName", String(value))
  return Effect.succeed(key === "user" || key === "uid" ? { uid: id } : { gid: id })
}

const operationsOf = (value: unknown): Effect.Effect<ReadonlyArray<ServerOperation>, Wrong> => {
  if (value === undefined) return Effect.succeed(everybodysOperations)
  if (!Array.isArray(value)) return wrong("operations", String(value))
  const unknown = value.find((one) => !isOperation(one))
  return unknown === undefined ? Effect.succeed(value.filter(isOperation)) : wrong("operations", String(unknown))
}

const scopeOf = (value: unknown): Effect.Effect<Pkcs11Uri | undefined, Wrong> => {
  if (value === undefined) return Effect.succeed(undefined)
  const parsed = parsePkcs11Uri(String(value))
  // Its text may contain a PIN.
  return Result.isSuccess(parsed) ? Effect.succeed(parsed.success) : wrong("uri", parsed.failure.reason)
}

const isOperation = (value: unknown): value is ServerOperation => allOperations.some((one) => one === value)

const isId = (value: unknown): boolean => typeof value === "number" && Number.isInteger(value) && value >= 0

const wrong = (problem: Wrong["problem"], found: string): Effect.Effect<never, Wrong> => Effect.fail({ problem, found })

const whoKeys = ["user", "uid", "group", "gid"] as const
const keys: ReadonlyArray<string> = [...whoKeys, "operations", "uri"]
