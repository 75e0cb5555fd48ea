/**
 * MQTT topics and topic filters.
 *
 * Source: MQTT 3.1.1, 4.7. `+` is one level, `#` the parent and everything below it; neither matches a first level
 * that begins with `$`.
 */

export const matchesFilter = (filter: string, topic: string): boolean => {
  if (topic.startsWith("$") && !filter.startsWith("$")) return false
  const wanted = filter.split("/")
  const levels = topic.split("/")
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true
    if (index >= levels.length) return false
    if (level !== "+" && level !== levels[index]) return false
  }
  return wanted.length === levels.length
}

/** A topic name is UTF-8 of at most 65,535 bytes (MQTT 3.1.1, 1.5.3), and not empty (4.7.3). */
export const isTopic = (text: string): boolean => {
  const bytes = Buffer.byteLength(text)
  return bytes > 0 && bytes <= 65_535 && !/[+#]/.test(text) && !text.includes("\0")
}
