import { gzipSync } from "node:zlib"

/** Without name and time, so that the same text is the same file. */
export const compressed = (text) => {
  const bytes = gzipSync(text, { level: 9 })
  bytes.fill(0, 4, 8)
  return bytes
}
