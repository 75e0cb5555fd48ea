/**
 * `openssl s_server` as the other side of a TLS test: it judges client certificates as brokers do (with alerts), and
 * can be told to update its keys.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import type { TestPki } from "./pki.ts"

export interface OpensslServer {
  readonly port: number
  /** Waits until it has printed the text; what it printed before counts too. */
  readonly says: (text: string) => Promise<void>
  /** Its standard input: sent to the client, or a command when it is one capital letter. */
  readonly type: (line: string) => void
  readonly close: () => Promise<void>
}

/** It demands a client certificate that `trusted` (a CA file) has issued. */
export const startOpensslServer = async (
  pki: TestPki,
  args: ReadonlyArray<string> = [],
  trusted = pki.caFile
): Promise<OpensslServer> => {
  const identity = ["-cert", pki.serverCertFile, "-key", pki.serverKeyFile]
  const verify = ["-CAfile", trusted, "-Verify", "4", "-verify_return_error"]
  const server = spawn("openssl", ["s_server", "-accept", "127.0.0.1:0", ...identity, ...verify, ...args])
  const says = listenTo(server.stdout)
  const accept = await says(/ACCEPT 127\.0\.0\.1:(\d+)/)
  return {
    port: Number(accept[1]),
    says: async (text) => {
      await says(text)
    },
    type: (line) => server.stdin.write(`${line}\n`),
    close: async () => {
      const closed = once(server, "close")
      server.kill()
      await closed
    }
  }
}

/** Waits until a stream has said something; what it said before counts too. Answers what matched. */
export const listenTo = (stream: NodeJS.ReadableStream) => {
  let all = ""
  stream.on("data", (data: Buffer) => {
    all += data.toString()
  })
  return (wanted: string | RegExp) =>
    new Promise<ReadonlyArray<string>>((resolve, reject) => {
      const look = () => {
        const found = typeof wanted === "string" ? all.includes(wanted) && [wanted] : wanted.exec(all)
        if (found) resolve(found)
      }
      stream.on("data", look).once("error", reject)
      stream.once("close", () => reject(new Error(`ended after: ${all}`)))
      look()
    })
}
