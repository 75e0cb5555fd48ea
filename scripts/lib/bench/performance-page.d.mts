import type { Interval } from "./judge.mjs"

export interface Measured {
  readonly what: string
  readonly value: string
  readonly against: string
  /** Of the ratios. */
  readonly interval: Interval
  readonly limit?: number
}

export declare const withMeasurement: (
  page: string,
  name: string,
  about: string,
  rows: ReadonlyArray<Measured>
) => string
