/** Valid topic filters, and which of them a broker granted. */
import type { SubscriptionFault } from "../../../messages/mqtt.ts"
import { refusedSubscription } from "./connection-lifetime.ts"

/** MQTT 3.1.1, 4.7.1 and 4.7.3: `+` is a whole level, `#` the last; 65,535 bytes at most, none of them 0, not empty. */
export const isFilter = (text: string): boolean => {
  const bytes = Buffer.byteLength(text)
  if (bytes === 0 || bytes > 65_535 || text.includes("\0")) return false
  const levels = text.split("/")
  return levels.every(
    (level, index) => level === "+" || (level === "#" && index === levels.length - 1) || !/[+#]/.test(level)
  )
}

/** The return code of each, from the granted codes of the valid ones. */
export const refusingOthers = (
  filters: ReadonlyArray<string>,
  granted: ReadonlyArray<number>
): ReadonlyArray<number> => {
  const codes = granted.values()
  return filters.map((filter) => (isFilter(filter) ? codes.next().value : undefined) ?? refusedSubscription)
}

/** Filters that were refused, or granted with a lower QoS than `wanted` (MQTT 5.0, 3.9.3). */
export const subscriptionFaults = (
  filters: ReadonlyArray<string>,
  codes: ReadonlyArray<number>,
  wanted: 0 | 1
): ReadonlyArray<SubscriptionFault> =>
  filters.flatMap((filter, index) => {
    // A broker that returns fewer codes than filters has not granted the others.
    const code = codes[index] ?? refusedSubscription
    return code < wanted || code > highestQos ? [{ filter, code }] : []
  })

/** Codes between the granted QoS and the refusals are undefined: not granted. */
export const isRefused = ({ code }: SubscriptionFault): boolean => code > highestQos

const highestQos = 2
