/** The full `tedge`: parses the command line, runs the command, sets the exit code. */
import "../../platform/process/no-debugger.ts"
import { installationOf } from "../../messages/installation/installation.ts"
import { parseCommandLine } from "../command-line/effect-cli.ts"
import { tedgeHandlers } from "../commands/tedge-handlers.ts"
import { tedgeProgram } from "../commands/tedge-spec.ts"
import { installedProgram } from "../compose/installed-program.ts"
import { runProgram } from "./run-program.ts"

const program = installedProgram(tedgeProgram, installationOf(process.argv[1]))
runProgram(program, tedgeHandlers, { parse: parseCommandLine, logLevel: "warn" })
