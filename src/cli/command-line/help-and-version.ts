/** Help and version need nothing started: they are answered from the texts alone. */
import { readArguments } from "./argv.ts"
import type { Program } from "./command-spec.ts"
import { exitCodes } from "./exit-codes.ts"
import { helpText } from "./help-text.ts"

/** What is printed and the exit code; undefined: it is a command to run. */
export const answerHelpOrVersion = (
  program: Program,
  argv: ReadonlyArray<string>
): { readonly stream: "stdout" | "stderr"; readonly text: string; readonly code: number } | undefined => {
  const read = readArguments(program, argv)
  switch (read._tag) {
    case "Help":
      return { stream: "stdout", text: helpText(program, read.path, read.long), code: exitCodes.ok }
    case "Version":
      return { stream: "stdout", text: `${program.root.name} ${program.version}\n`, code: exitCodes.ok }
    case "NoCommand":
      return { stream: "stderr", text: helpText(program, read.path, false), code: exitCodes.usage }
    default:
      return undefined
  }
}
