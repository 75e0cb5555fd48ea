/**
 * `tedge`, the part that is loaded at every start: help, the version, `config get` and
 * the words a shell may offer, answered without Effect.
 *
 * Effect alone costs a third of Node's own start. Everything else is in tedge-main.cjs beside this bundle.
 */

import "../../platform/process/no-debugger.ts"
import { installationOf } from "../../messages/installation/installation.ts"
import { writeNow } from "../../platform/files/write-now.ts"
import { readWords } from "../command-line/command-words.ts"
import { answerHelpOrVersion } from "../command-line/help-and-version.ts"
import { answerShell } from "../commands/completions/answer-shell.ts"
import { fastGet, fastQuestion } from "../commands/config/get-fast.ts"
import { tedgeProgram } from "../commands/tedge-spec.ts"
import { installedProgram } from "../compose/installed-program.ts"

const start = (): void => {
  const argv = process.argv.slice(2)
  const program = installedProgram(tedgeProgram, installationOf(process.argv[1]))
  const words = readWords(program, argv)
  const atOnce = answerHelpOrVersion(program, words)
  if (atOnce !== undefined) {
    process.exitCode = atOnce.code
    answer(atOnce.stream, atOnce.text)
    return
  }
  const place = { environment: process.env, workingDir: process.cwd() }
  const question = fastQuestion(words)
  // Undefined: another command, or a case for the whole program.
  const value = answerShell(program, argv, place) ?? (question && fastGet({ ...question, ...place }))
  if (value === undefined) require("./tedge-main.cjs")
  else answer("stdout", value)
}

/** Without taking down what Node has set up: nothing else runs. */
const answer = (stream: "stdout" | "stderr", text: string): void => {
  if (writeNow(stream, text)) process.exit()
}

start()
