export interface Interval {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly n: number
}
export const intervalOf: (samples: ReadonlyArray<number>) => Interval
export const medianOf: (values: ReadonlyArray<number>) => number
export const verdictOf: (interval: Pick<Interval, "low" | "high">, limit: number) => "over" | "within" | "unclear"
export const sampled: (
  sample: (index: number) => number | Promise<number>,
  options?: { readonly least?: number; readonly most?: number; readonly precision?: number; readonly mostMs?: number }
) => Promise<Array<number>>
export const lossSince: (
  interval: Interval,
  earlierMedians: ReadonlyArray<number>
) => { readonly usual: number; readonly isLoss: boolean } | undefined
