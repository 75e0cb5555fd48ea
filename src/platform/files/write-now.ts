/**
 * Writes a finished answer to a standard stream without `process.stdout`, whose creation costs Node a third of its own
 * start.
 *
 * A failed write fails the command: its answer is lost.
 */
import { writeSync } from "node:fs"
import { errorCode } from "../process/error-code.ts"

const descriptors = { stdout: 1, stderr: 2 } as const

export const writeNow = (stream: "stdout" | "stderr", text: string): void => {
  let rest = Buffer.from(text)
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptors[stream], rest))
  } catch (error) {
    // The reader has closed the pipe: `tedge --help | head -1` is not an error.
    if (errorCode(error) === "EPIPE") return
    // A full non-blocking pipe: Node waits for it.
    if (errorCode(error) === "EAGAIN") process[stream].write(rest)
    else {
      process.exitCode = 1
      if (stream === "stdout") writeNow("stderr", notWritten(errorCode(error)))
    }
  }
}

/** The error line for it. */
export const notWritten = (code: string | undefined): string =>
  `error: the answer could not be written to the standard output: ${code ?? "unknown"}\n`
