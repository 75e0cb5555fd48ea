/** Current throughput of a direction of the bridge, from its history. */
import type { History } from "../../../messages/status/snapshot.ts"

/** From the last two complete buckets. */
export const perSecond = ({ bucket_ms, messages, bytes }: History): { messages: number; octets: number } => {
  const mean = (values: ReadonlyArray<number>) => {
    const over = values.slice(-3, -1)
    return over.length === 0 ? 0 : (over.reduce((sum, value) => sum + value, 0) * 1000) / (over.length * bucket_ms)
  }
  return { messages: mean(messages), octets: mean(bytes) }
}
