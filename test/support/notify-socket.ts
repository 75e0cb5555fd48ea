/** A service manager's notification socket that notes what it is told. Python's, because Node has no UNIX datagrams. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { onTestFinished } from "vitest"
import { tempDir } from "./temp-dir.ts"

export interface NotifySocket {
  readonly path: string
  /** What was told so far, each as Python prints a text: `'READY=1'`. */
  readonly told: () => ReadonlyArray<string>
  /** Waits until so much was told. */
  readonly until: (count: number) => Promise<ReadonlyArray<string>>
}

/** Call inside a test: it ends with it. */
export const notifySocket = async (): Promise<NotifySocket> => {
  const path = join(tempDir(), "notify")
  const child: ChildProcess = spawn("python3", ["-c", receiver, path], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const lines: Array<string> = []
  let wake = () => {}
  // A line may come in pieces.
  if (child.stdout)
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line)
      wake()
    })
  const until = async (count: number) => {
    while (lines.length <= count)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return lines.slice(1)
  }
  await until(0)
  return { path, told: () => lines.slice(1), until }
}

const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(repr(s.recv(4096).decode()), flush=True)
`
