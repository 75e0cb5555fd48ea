/** `tedge`, all of it: parses the command line, runs the command, ends with its exit code. */
import "../platform/no-debugger.ts"
import { runProgram } from "./run-program.ts"
import { tedgeHandlers } from "./tedge-handlers.ts"
import { tedgeProgram } from "./tedge-spec.ts"

runProgram(tedgeProgram, tedgeHandlers)
