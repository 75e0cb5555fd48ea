/** Help and version need nothing started: they are answered from the texts alone. */
import type { Program } from "./command-spec.ts"
import { readWords } from "./command-words.ts"
import { exitCodes } from "./exit-codes.ts"
import { helpText } from "./help-text.ts"
import { unknownCommand, usageErrorText } from "./usage-error.ts"

/** What is printed and the exit code; undefined: it is a command to run. */
export const answerHelpOrVersion = (
  program: Program,
  argv: ReadonlyArray<string>
): { readonly stream: "stdout" | "stderr"; readonly text: string; readonly code: number } | undefined => {
  const { question } = readWords(program, argv)
  switch (question?.kind) {
    case "help":
      return { stream: "stdout", text: helpText(program, question.path, question.long), code: exitCodes.ok }
    case "version":
      return { stream: "stdout", text: `${program.root.name} ${program.version}\n`, code: exitCodes.ok }
    case "unknown": {
      const error = unknownCommand(question.word, question.path.at(-1) ?? program.root)
      return { stream: "stderr", text: usageErrorText(error, program, question.path), code: exitCodes.usage }
    }
    default:
      return undefined
  }
}
