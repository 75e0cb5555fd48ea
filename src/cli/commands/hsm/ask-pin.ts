/** PINs from an option, or typed at the terminal without echo. */
import { Effect, Redacted } from "effect"
import { InputClosed, PinEmpty, PinsDiffer } from "../../../messages/hsm.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import type { CommandContext } from "./token-command.ts"

/** A PIN given as an option; an empty one would cost an attempt. */
export const givenPin = (input: CommandInput, option: string, what: PinEmpty["what"]) =>
  Effect.suspend(() => {
    const given = input.secret(option)
    return given !== undefined && Redacted.value(given) === ""
      ? Effect.fail(new PinEmpty({ what }))
      : Effect.succeed(given)
  })

/** As `givenPin`, else typed. */
export const currentPin = (context: CommandContext, option: string, what: PinEmpty["what"], question: string) =>
  Effect.gen(function* () {
    yield* givenPin(context.input, option, what)
    const pin = yield* pinFrom(context, option, question)
    return Redacted.value(pin) === "" ? yield* new PinEmpty({ what }) : pin
  })

export const pinFrom = ({ input, prompts }: CommandContext, option: string, question: string) =>
  Effect.gen(function* () {
    const pin = input.secret(option) ?? (yield* prompts.secret(question))
    return pin ?? (yield* new InputClosed({ option: `--${option}` }))
  })

/** A new PIN is typed twice: a typing error would lock the user out. */
export const newPinFrom = (context: CommandContext, option: string, what: "user PIN" | "SO PIN") =>
  Effect.gen(function* () {
    const given = yield* givenPin(context.input, option, what)
    if (given !== undefined) return given
    const first = yield* pinFrom(context, option, `New ${what}: `)
    const second = yield* pinFrom(context, option, `New ${what} again: `)
    if (Redacted.value(first) === "") return yield* new PinEmpty({ what })
    if (Redacted.value(first) !== Redacted.value(second)) return yield* new PinsDiffer({ what })
    return first
  })
