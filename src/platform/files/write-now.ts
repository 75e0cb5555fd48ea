/**
 * Writes a finished answer to a standard stream without `process.stdout`, whose creation costs Node a third of its own
 * start.
 *
 * A failed write fails the command: its answer is lost.
 */
import { writeSync } from "node:fs"
import { errorCode } from "../process/error-code.ts"

/** False: Node still writes the end of it, after this returns. */
export const writeNow = (stream: "stdout" | "stderr", text: string): boolean => {
  let rest = Buffer.from(text)
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(stream === "stdout" ? 1 : 2, rest))
  } catch (error) {
    // The reader has closed the pipe: `tedge --help | head -1` is not an error.
    if (errorCode(error) === "EPIPE") return true
    // A full non-blocking pipe: Node waits for it.
    if (errorCode(error) === "EAGAIN") {
      process[stream].write(rest)
      return false
    }
    process.exitCode = 1
    return stream === "stderr" || writeNow("stderr", notWritten(errorCode(error)))
  }
  return true
}

/** The error line for it. */
export const notWritten = (code: string | undefined): string =>
  `error: the answer could not be written to the standard output: ${code ?? "unknown"}\n`
