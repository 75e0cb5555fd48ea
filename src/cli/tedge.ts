/**
 * `tedge`, the part that is loaded at every start: help, the version and `config get`, answered without Effect.
 *
 * Effect alone costs a third of Node's own start. Everything else is in tedge-main.cjs beside this bundle.
 */
import { answerAtOnce } from "./answer-at-once.ts"
import { tedgeProgram } from "./tedge-spec.ts"

const atOnce = answerAtOnce(tedgeProgram, process.argv.slice(2))

if (atOnce === undefined) require("./tedge-main.cjs")
else {
  process[atOnce.stream].write(atOnce.text)
  process.exitCode = atOnce.code
}
