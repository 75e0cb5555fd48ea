export interface Failure {
  readonly file: string
  readonly name?: string
  readonly message: string
}

export interface Run {
  readonly report?: {
    readonly passed: number
    readonly failures: ReadonlyArray<Failure>
    readonly skipped: ReadonlyArray<{ readonly file: string; readonly name: string }>
  }
  readonly end: string
}

export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly failures: ReadonlyArray<string>
  readonly leftOut: ReadonlyArray<string>
  readonly problem?: string
}

export const outcome: (run: Run) => Outcome
export const settled: (first: Run, second: Run) => Outcome & { readonly unsteady: ReadonlyArray<string> }
export const countLine: (counts: { readonly passed: number; readonly failed: number }) => string
export const leftOutLines: (leftOut: ReadonlyArray<string>) => ReadonlyArray<string>
