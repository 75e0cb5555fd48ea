/**
 * Keeps the last lines a PKCS#11 module printed: often the only hint to why a call failed.
 *
 * Bounded; control characters and the PINs that were sent to the module are removed.
 */

export interface ModuleOutput {
  readonly add: (chunk: Uint8Array) => void
  /** From now on this text is never part of the output. */
  readonly hide: (secret: string) => void
  /** One line, empty if the module said nothing. */
  readonly last: () => string
}

const keptBytes = 4096
const keptLines = 3

export const moduleOutput = (): ModuleOutput => {
  let text = ""
  const secrets = new Set<string>()
  return {
    add: (chunk) => {
      text = (text + Buffer.from(chunk).toString("utf8")).slice(-keptBytes)
    },
    hide: (secret) => {
      if (secret !== "") secrets.add(secret)
    },
    last: () => {
      const shown = [...secrets].reduce((output, secret) => output.replaceAll(secret, "[REDACTED]"), text)
      return shown
        .split("\n")
        .map((line) => line.replace(/\p{Cc}+/gu, " ").trim())
        .filter((line) => line !== "")
        .slice(-keptLines)
        .join("; ")
    }
  }
}
