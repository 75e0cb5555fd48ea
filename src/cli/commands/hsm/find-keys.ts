/** The keys selected by a URI, a label and an id. */
import { Effect } from "effect"
import type { KeyDescription, PinGiven } from "../../../messages/cryptoki.ts"
import { SelectorGivenTwice } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { idOption } from "./key-id.ts"
import { askLimits, type CommandContext, selectorFor } from "./token-command.ts"

/** The URI combined with label and id of the options; an attribute given twice is refused. */
export const keyFilter = (input: CommandInput, token: Pkcs11Uri) =>
  Effect.gen(function* () {
    const label = input.text("label")
    const id = yield* idOption(input)
    if (label !== undefined && token.object !== undefined) return yield* new SelectorGivenTwice({ what: "label" })
    if (id !== undefined && token.id !== undefined) return yield* new SelectorGivenTwice({ what: "id" })
    return {
      ...token,
      ...(label !== undefined && { object: label }),
      ...(id !== undefined && { id })
    }
  })

/** All matching keys on the token, in the token's order. */
export const findKeys = (context: CommandContext, filter: Pkcs11Uri, pin: PinGiven) => {
  // Label and id are sent too: the signing service cannot list all keys of a token with many.
  const { type: _type, ...wanted } = filter
  return Effect.map(
    context.actors.cryptoki.ask("ListKeys", { token: selectorFor(wanted, pin) }, { within: askLimits.list }),
    (keys): ReadonlyArray<KeyDescription> => keys.filter((key) => matchesObject(filter, key))
  )
}
