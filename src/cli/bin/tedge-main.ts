/** `tedge`, all of it: parses the command line, runs the command, ends with its exit code. */
import "../../platform/process/no-debugger.ts"
import { tedgeHandlers } from "../commands/tedge-handlers.ts"
import { tedgeProgram } from "../commands/tedge-spec.ts"
import { runProgram } from "./run-program.ts"

runProgram(tedgeProgram, tedgeHandlers)
