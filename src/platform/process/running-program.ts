/** Finds processes by the program they run, for programs without a lock or a record. Source: proc_pid_cmdline(5). */
import { readdirSync } from "node:fs"
import { basename } from "node:path"
import { textIfReadable } from "../files/read-file.ts"

export interface RunningProgram {
  readonly pid: number
  /** Without the program, and without the interpreter of a script. */
  readonly arguments: ReadonlyArray<string>
}

/** All visible processes of this program. Those that only have it as an argument (`sudo`, an editor) do not count. */
export const runningPrograms = (program: string): ReadonlyArray<RunningProgram> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const words = textIfReadable(`/proc/${name}/cmdline`)?.split("\0").slice(0, -1) ?? []
      const at = words.findIndex((word) => basename(word) === program)
      return at === 0 || (at > 0 && isInterpreter(words.slice(0, at)))
        ? [{ pid: Number(name), arguments: words.slice(at + 1) }]
        : []
    })

/** `node --v8-pool-size=1`, before the script. */
const isInterpreter = ([program = "", ...options]: ReadonlyArray<string>): boolean =>
  /^(node|nodejs|python3?|ba?sh|dash|sh)$/.test(basename(program)) && options.every((option) => option.startsWith("-"))
