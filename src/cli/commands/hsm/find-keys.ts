/** The keys that a URI, a label and an id mean. */
import { Effect } from "effect"
import type { KeyDescription, PinGiven } from "../../../messages/cryptoki.ts"
import { SelectorGivenTwice } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { idOption } from "./key-id.ts"
import { askLimits, type CommandContext, selectorFor } from "./token-command.ts"

/** The URI with the label and id of the options added; what is given twice is refused. */
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

/** All keys on the token that the filter allows, in the token's order. */
export const findKeys = (context: CommandContext, filter: Pkcs11Uri, pin: PinGiven) => {
  // The label and the id are sent, too: of a token with many keys the signing service cannot list all.
  const { type: _type, ...wanted } = filter
  return Effect.map(
    context.actors.cryptoki.ask("ListKeys", { token: selectorFor(wanted, pin) }, { within: askLimits.list }),
    (keys): ReadonlyArray<KeyDescription> => keys.filter((key) => matchesObject(filter, key))
  )
}
