/**
 * Writes an answer that is ready to a standard stream, and nothing else: making `process.stdout` costs Node as much as
 * a third of its own start.
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
    // A pipe that is full and does not wait: Node waits for it.
    process[stream].write(rest)
  }
}
