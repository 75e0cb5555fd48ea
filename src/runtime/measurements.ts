/** Where actors tell what they measured; nowhere, unless a program provides a place. */
import { Context } from "effect"

/** A time in milliseconds, of so many things at once. */
export interface Measurement {
  readonly name: "signature" | "puback"
  readonly ms: number
  readonly times: number
  readonly labels: Readonly<Record<string, string>>
}

export const Measurements = Context.Reference<(measurement: Measurement) => void>("tedge-actors/Measurements", {
  defaultValue: () => () => undefined
})
