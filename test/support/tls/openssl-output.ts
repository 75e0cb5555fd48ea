/**
 * What openssl says about a certification request.
 *
 * Its exit code does not tell (3.0 exits with 0 whatever it finds), and its words are on stderr in OpenSSL 3.0 and on
 * stdout in 3.5: both are read.
 */
import { spawnSync } from "node:child_process"

/** Undefined when the request in this file is signed with its own key, otherwise openssl's words. */
export const requestProblem = (file: string): string | undefined => {
  const { stdout, stderr, error } = spawnSync("openssl", ["req", "-in", file, "-verify", "-noout"], {
    encoding: "utf8"
  })
  if (error !== undefined) throw error
  const words = `${stdout}${stderr}`
  return /^(Certificate request self-signature )?verify OK$/m.test(words) ? undefined : words
}
