export interface HistoryKey {
  readonly machine: string
  readonly what: string
}
export const thisMachine: () => string
export const earlierMedians: (file: string, key: HistoryKey) => Array<number>
export const remember: (file: string, entry: HistoryKey & { readonly median: number }) => void
