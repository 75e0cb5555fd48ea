/** Describes a subscription that a broker did not grant as requested. */
import { reasonCodeNameOf } from "../explain/reason-code.ts"

interface Fault {
  readonly filter: string
  /** MQTT 5.0, 3.9.3: 128 and above are refusals, below is the granted QoS. */
  readonly code: number
}

export const isRefused = ({ code }: Fault): boolean => code >= 0x80

/** `subscription s/ds (code 135: not authorised)`. */
export const subscriptionFault = (fault: Fault): string => {
  const { filter, code } = fault
  if (!isRefused(fault)) return `subscription ${filter} (with QoS ${code} only)`
  const name = reasonCodeNameOf(code)
  return `subscription ${filter} (code ${code}${name === undefined ? "" : `: ${name}`})`
}
