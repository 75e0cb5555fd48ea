/**
 * Prompts: a secret without echo, a name, a yes.
 *
 * Questions go to stderr. From a pipe each line is an answer, so that scripts can answer too; end of input
 * means no answer.
 */
import { Effect, Redacted } from "effect"
import type { Prompts } from "../commands/hsm/token-command.ts"

/** Standard input, or a test's replacement. */
interface AnswerStream {
  readonly isTTY?: boolean
  readonly setRawMode?: (raw: boolean) => unknown
  readonly on: (event: "data" | "end", listener: (chunk: Buffer) => void) => unknown
  readonly off: (event: "data" | "end", listener: (chunk: Buffer) => void) => unknown
  readonly pause: () => unknown
  readonly resume: () => unknown
}

export const makePrompts = (input: AnswerStream, show: (text: string) => Effect.Effect<void>): Prompts => {
  const lines = lineReader(input)
  const ask = (question: string, hidden: boolean) =>
    Effect.gen(function* () {
      yield* show(question)
      const line = yield* lines(hidden)
      // The line end was not echoed: neither of hidden input nor from a pipe.
      if (hidden || input.isTTY !== true) yield* show("\n")
      return line
    })
  return {
    secret: (question) =>
      Effect.map(ask(question, true), (line) => (line === undefined ? undefined : Redacted.make(line))),
    text: (question) => ask(question, false),
    yes: (question) =>
      Effect.map(ask(question, false), (line) => (line === undefined ? undefined : /^y(es)?$/i.test(line.trim())))
  }
}

/** Input after the line is kept for the next question. */
const lineReader = (input: AnswerStream) => {
  let rest = ""
  let ended = false
  // Input may end between two questions.
  input.on("end", () => {
    ended = true
  })
  return (hidden: boolean): Effect.Effect<string | undefined> =>
    Effect.callback<string | undefined>((resume) => {
      const raw = hidden && input.isTTY === true && input.setRawMode !== undefined
      const stop = (): void => {
        input.off("data", onData)
        input.off("end", onEnd)
        if (raw) input.setRawMode?.(false)
        input.pause()
      }
      const take = (): boolean => {
        const typed = rest.search(/[\r\n]/)
        if (typed === -1 && !ended) return false
        const line = typed === -1 ? rest : rest.slice(0, typed)
        const isOver = typed === -1 && rest === ""
        rest = typed === -1 ? "" : rest.slice(typed).replace(/^\r?\n?/, "")
        stop()
        resume(Effect.succeed(isOver ? undefined : raw ? withoutErased(line) : line))
        return true
      }
      const onData = (chunk: Buffer): void => {
        const text = chunk.toString("utf8")
        if (raw && text.includes(controlC)) {
          stop()
          process.kill(process.pid, "SIGINT")
          return
        }
        if (raw && text.includes(controlD)) ended = true
        rest = (rest + text.replaceAll(controlD, "")).slice(-longestInput)
        take()
      }
      const onEnd = (): void => void take()
      if (take()) return
      if (raw) input.setRawMode?.(true)
      input.on("data", onData)
      input.on("end", onEnd)
      input.resume()
      return Effect.sync(stop)
    })
}

const longestInput = 4096
const controlC = "\u0003"
const controlD = "\u0004"

/** In raw mode the terminal does not erase: backspace is DEL or BS. */
const withoutErased = (typed: string): string => {
  const kept: Array<string> = []
  for (const character of typed) {
    if (character === "\u007f" || character === "\b") kept.pop()
    else kept.push(character)
  }
  return kept.join("")
}
