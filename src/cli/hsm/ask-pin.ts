/** PINs from an option, or typed unseen by a person. */
import { Effect, Redacted } from "effect"
import { NobodyToAsk, PinEmpty, PinsDiffer } from "../../messages/hsm.ts"
import type { CommandContext } from "./token-command.ts"

export const pinFrom = ({ input, prompts }: CommandContext, option: string, question: string) =>
  Effect.gen(function* () {
    const pin = input.secret(option) ?? (yield* prompts.secret(question))
    return pin ?? (yield* new NobodyToAsk({ option: `--${option}` }))
  })

/** A new PIN is typed twice: a slip would lock the person out. */
export const newPinFrom = (context: CommandContext, option: string, what: "user PIN" | "SO PIN") =>
  Effect.gen(function* () {
    const given = context.input.secret(option)
    if (given !== undefined) return given
    const first = yield* pinFrom(context, option, `New ${what}: `)
    const second = yield* pinFrom(context, option, `New ${what} again: `)
    if (Redacted.value(first) === "") return yield* new PinEmpty({ what })
    if (Redacted.value(first) !== Redacted.value(second)) return yield* new PinsDiffer({ what })
    return first
  })
