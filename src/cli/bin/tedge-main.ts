/** The full `tedge`: parses the command line, runs the command, sets the exit code. */
import "../../platform/process/no-debugger.ts"
import { installationOf } from "../../messages/installation/installation.ts"
import { tedgeHandlers } from "../commands/tedge-handlers.ts"
import { tedgeProgram } from "../commands/tedge-spec.ts"
import { installedProgram } from "../compose/installed-program.ts"
import { runProgram } from "./run-program.ts"

runProgram(installedProgram(tedgeProgram, installationOf(process.argv[1])), tedgeHandlers)
