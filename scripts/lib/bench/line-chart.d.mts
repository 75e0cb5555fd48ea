/** `percentile`: from 0 to below 100, each further nine takes the same room. */
export type Scale = "linear" | "log" | "percentile"

export interface Axis {
  /** With the unit. */
  readonly label: string
  /** Without it: linear, from zero. */
  readonly scale?: Scale
  /** Without it: round values around all points. */
  readonly ticks?: ReadonlyArray<number>
}

export interface Line {
  readonly name: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  readonly dashed?: boolean
  /** Without it: each point has a mark. */
  readonly marks?: boolean
}

export interface Chart {
  readonly title: string
  /** What the picture says, for those who do not see it. */
  readonly description: string
  readonly x: Axis
  readonly y: Axis
  /** Four at most. */
  readonly lines: ReadonlyArray<Line>
}

export declare const lineChart: (chart: Chart) => string
