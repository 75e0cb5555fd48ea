/**
 * Fails before a key is created that would not be used: `device.cryptoki.uri` selects another key, or the setting that
 * would name it is overridden.
 */
import { Effect, Option } from "effect"
import type { KeySelector } from "../../../messages/cryptoki.ts"
import { NewKeyOutsideScope, SettingShadowed } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../../messages/pkcs11-uri-scope.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { unusedName } from "./checked-delete.ts"
import { askLimits, type CommandContext } from "./token-command.ts"

interface NewKey {
  readonly token: KeySelector
  readonly id: Uint8Array
  readonly label: string
}

export const refuseUnusedKey = (context: CommandContext, { cryptoki }: Settings, made: NewKey) => {
  const named = { object: made.label, id: made.id }
  if (cryptoki.mode !== "socket")
    return hidesKey(cryptoki.uri, named) ? Effect.fail(outside(cryptoki.uri, "command")) : Effect.void
  // The service's scope is unknown. An unused id or label selects no key, unless the scope redirects it to one.
  const { pinValue: _pin, type: _type, object: _object, id: _id, ...place } = made.token.uri ?? {}
  const finds = (name: Pkcs11Uri) =>
    // Without the PIN: public keys are rarely protected, and the PIN attempt is left to the request that creates the key.
    Effect.map(
      Effect.option(
        context.actors.cryptoki.ask("PublicKey", { key: { uri: { ...place, ...name } } }, { within: askLimits.list })
      ),
      Option.isSome
    )
  return Effect.gen(function* () {
    const isHidden =
      (yield* finds(named)) ||
      (yield* finds({ id: unusedName.id() })) ||
      ((yield* finds({ object: unusedName.object() })) && !(yield* hasLabel(context, made)))
    // Often the service reads the same file.
    if (isHidden) return yield* outside(hidesKey(cryptoki.uri, named) ? cryptoki.uri : undefined, "service")
  })
}

/** A scope with a label selects an existing key: with the label of the new one it may select that one too. */
const hasLabel = ({ actors }: CommandContext, { token, label }: NewKey) =>
  Effect.map(
    Effect.orElseSucceed(actors.cryptoki.ask("ListKeys", { token }, { within: askLimits.list }), () => []),
    (keys) => keys.some((key) => key.label === label)
  )

/** An environment variable would continue to select the previous key. */
export const refuseShadowed = (
  { actors }: CommandContext,
  selector: {
    readonly key: string
    readonly profile?: string | undefined
  }
) =>
  Effect.flatMap(actors.config.ask("Get", selector, { within: askLimits.read }), ({ key, source }) =>
    source?.kind === "variable" ? Effect.fail(new SettingShadowed({ key, variable: source.variable })) : Effect.void
  ).pipe(
    // The first setting of a profile creates it.
    Effect.catchTag("UnknownProfile", () => Effect.void)
  )

const hidesKey = (scope: Pkcs11Uri | undefined, named: Pkcs11Uri): boolean =>
  mergeScope(scope, named).conflicts.length > 0

const outside = (scope: Pkcs11Uri | undefined, of: NewKeyOutsideScope["of"]): NewKeyOutsideScope => {
  const { object: _object, id: _id, type: _type, ...rest } = scope ?? {}
  const canBeShown = Object.keys(rest).length > 0 && rest.pinValue === undefined
  return new NewKeyOutsideScope({
    scope: scope && shownUri(scope),
    tokenOnly: canBeShown ? shownUri(rest) : undefined,
    of
  })
}
