export interface Measurement {
  readonly what: string
  readonly value: string
  readonly against: string
  /** Of the ratios. */
  readonly median: number
  readonly limit?: number
}

export declare const withMeasurements: (page: string, about: string, rows: ReadonlyArray<Measurement>) => string
