/** Help and version need nothing started: they are answered from the texts alone. */
import type { Program } from "./command-spec.ts"
import type { CommandWords } from "./command-words.ts"
import { exitCodes } from "./exit-codes.ts"
import { helpText } from "./help-text.ts"
import { unknownCommand, usageErrorText } from "./usage-error.ts"

/** What is printed and the exit code; undefined: it is a command to run. */
export const answerHelpOrVersion = (
  program: Program,
  { question }: CommandWords
): { readonly stream: "stdout" | "stderr"; readonly text: string; readonly code: number } | undefined => {
  switch (question?.kind) {
    case "help":
      return { stream: "stdout", text: helpText(program, question.path, question.long), code: exitCodes.ok }
    case "version":
      return { stream: "stdout", text: `${versionLine(program)}\n`, code: exitCodes.ok }
    case "unknown": {
      const error = unknownCommand(question.word, question.path.at(-1) ?? program.root)
      return { stream: "stderr", text: usageErrorText(error, program, question.path), code: exitCodes.usage }
    }
    default:
      return undefined
  }
}

/** `tedge 2.0.1+tedge-actors.0.1.0`: scripts that compare versions read that of thin-edge's interface. */
export const versionLine = ({ root, version }: Program): string => `${root.name} ${interfaceVersion(version)}`

/** Ours is build metadata, in the characters it may have. Source: Semantic Versioning 2.0.0, 10. */
export const interfaceVersion = (ours: string): string =>
  `${thinEdgeInterface}+tedge-actors.${ours.replace(/[^0-9A-Za-z.-]/g, ".")}`

/** The thin-edge.io whose commands, settings, topics and files these programs have. */
const thinEdgeInterface = "2.0.1"
