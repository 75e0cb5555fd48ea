/** Runs a command with a time limit. No shell, no input; its stderr is captured. */
import { spawn } from "node:child_process"
import { Effect } from "effect"
import { codeOf } from "./error-code.ts"

export type CommandEnd =
  | { readonly kind: "exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "signalled"; readonly signal: string; readonly stderr: string }
  /** Timed out: SIGTERM, and SIGKILL a second later. */
  | { readonly kind: "timedOut"; readonly stderr: string }
  /** `ENOENT`, `EACCES` and the like. */
  | { readonly kind: "notStarted"; readonly code: string }

/** Interrupting ends the command. */
export const runCommand = (argv: ReadonlyArray<string>, limitMs: number): Effect.Effect<CommandEnd> =>
  Effect.callback<CommandEnd>((resume) => {
    const [file = "", ...args] = argv
    // In its own session: Ctrl-C and SIGHUP of the terminal reach only us, and we end the command or let it finish.
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], detached: true })
    const said = { stdout: "", stderr: "" }
    let late = false
    const kill = (): void => {
      child.kill("SIGTERM")
      setTimeout(() => child.kill("SIGKILL"), 1000).unref()
    }
    const timer = setTimeout(() => {
      late = true
      kill()
    }, limitMs)
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] = (said[stream] + text).slice(-4000)
      })
    const end = (result: CommandEnd): void => {
      clearTimeout(timer)
      // A daemon the command left behind may hold the pipes open indefinitely.
      child.stdout.destroy()
      child.stderr.destroy()
      resume(Effect.succeed(result))
    }
    child.on("error", (error) => end({ kind: "notStarted", code: codeOf(error) }))
    child.on("exit", (code, signal) =>
      setImmediate(() => {
        if (late) end({ kind: "timedOut", stderr: said.stderr })
        else if (signal !== null) end({ kind: "signalled", signal, stderr: said.stderr })
        else end({ kind: "exited", code: code ?? 0, ...said })
      })
    )
    return Effect.sync(() => {
      clearTimeout(timer)
      kill()
    })
  })
