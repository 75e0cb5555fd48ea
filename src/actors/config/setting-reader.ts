/** Typed access to single settings. The caller knows the type of a key; the table guarantees it. */
import { Effect, Redacted } from "effect"
import { InvalidSetting } from "../../messages/config.ts"
import { type Pkcs11Uri, parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { durationMs } from "../../messages/settings/duration.ts"
import { parseHostPort } from "../../messages/settings/host-port.ts"
import type { ValueSource } from "../../messages/settings/refused-value.ts"
import { layersOf, type Resolved, resolveForUse, type Sources } from "../../messages/settings/resolve.ts"
import type { HostPort, IdProblem, PinSource } from "../../messages/settings/resolved-settings.ts"
import { fullKey, settingByKey } from "../../messages/settings/setting-name.ts"
import { withoutPin } from "../../messages/shown-text.ts"
import { uriAndPin } from "./uri-pin.ts"

/** Reads settings of one cloud section, or of none. Keys are canonical, without profile. */
export const settingReader = (sources: Sources, profile: string | undefined) => {
  const resolved = (key: string): Resolved => {
    const setting = settingByKey(key)
    return setting === undefined
      ? { kind: "unset", idProblem: undefined }
      : resolveForUse({ setting, profile }, sources)
  }
  const value = (key: string) => {
    const found = resolved(key)
    return found.kind === "value" ? found.value : undefined
  }
  const optionalText = (key: string): string | undefined => {
    const found = value(key)
    return found === undefined ? undefined : String(found)
  }
  const text = (key: string): string => optionalText(key) ?? absent(key)
  const number = (key: string): number => Number(text(key))
  return {
    text,
    optionalText,
    number,
    optionalNumber: (key: string): number | undefined => (value(key) === undefined ? undefined : number(key)),
    flag: (key: string): boolean => value(key) === true,
    list: (key: string): ReadonlyArray<string> => {
      const found = value(key)
      return typeof found === "object" ? found : []
    },
    durationMs: (key: string): number => durationMs(text(key)) ?? absent(key),
    secret: (key: string): Redacted.Redacted<string> | undefined => {
      const found = optionalText(key)
      return found === undefined ? undefined : Redacted.make(found, { label: key })
    },
    hostPort: (key: string): HostPort | undefined => hostPort(key, optionalText(key)),
    identity: (key: string): { readonly id: string | undefined; readonly idProblem: IdProblem | undefined } => {
      const found = resolved(key)
      return found.kind === "value"
        ? { id: String(found.value), idProblem: undefined }
        : { id: undefined, idProblem: found.idProblem }
    },
    /** The URI of a token or key without its PIN, and the effective PIN. */
    uriAndPin: (key: string): Effect.Effect<TokenSettings, InvalidSetting> => {
      const name = { setting: settingByKey(key) ?? absent(key), profile }
      const { uri, pin, pinKey, isPinInUri } = uriAndPin(name, sources) ?? absent(key)
      const source = sourceOf(pinKey, sources)
      const pinned = pin.kind === "value" &&
        source && {
          pin: Redacted.make(String(pin.value), { label: pinKey }),
          pinFrom: `${isPinInUri ? "pin-value in " : ""}${placeIn(pinKey, source)}`,
          pinSource: { kind: source.kind, isInUri: isPinInUri }
        }
      if (uri.kind === "unset") return Effect.succeed({ ...pinned })
      return Effect.map(parseUri(fullKey(name), String(uri.value), uri), (parsed) => ({ uri: parsed, ...pinned }))
    }
  }
}

interface TokenSettings {
  readonly uri?: Pkcs11Uri
  readonly pin?: Redacted.Redacted<string>
  /** For refusals: the variable, or the setting that has the PIN and its file. */
  readonly pinFrom?: string
  readonly pinSource?: PinSource
}

const sourceOf = (key: string, sources: Sources): ValueSource | undefined =>
  layersOf(sources)
    .map(({ entries }) => entries.get(key)?.source)
    .find((source) => source !== undefined)

export type SettingReader = ReturnType<typeof settingReader>

const parseUri = (
  key: string,
  text: string,
  { source }: Extract<Resolved, { kind: "value" }>
): Effect.Effect<Pkcs11Uri, InvalidSetting> =>
  Effect.fromResult(parsePkcs11Uri(text)).pipe(
    Effect.mapError(
      ({ reason }) =>
        new InvalidSetting({ key, value: withoutPin(text), source, problem: { kind: "bad-pkcs11-uri", reason } })
    )
  )

const placeIn = (key: string, source: ValueSource): string => {
  switch (source.kind) {
    case "variable":
      return source.variable
    case "fallback":
      return source.key
    case "file":
    case "credential":
      return `${key} in '${source.path}'`
    default:
      return key
  }
}

const hostPort = (key: string, text: string | undefined): HostPort | undefined => {
  const type = settingByKey(key)?.type
  if (text === undefined || type?.kind !== "host-port") return undefined
  const parsed = parseHostPort(text, type.defaultPort)
  return typeof parsed === "string" ? undefined : parsed
}

/** The table has no default for the key, or there is no such key: our mistake. */
const absent = (key: string): never => {
  throw new Error(`the settings table has no value for ${key}`)
}
