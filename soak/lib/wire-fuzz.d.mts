import type { decodeFrame, encodeFrame } from "../../src/messages/wire/frame1.ts"

export const fuzz: (
  codec: { readonly decodeFrame: typeof decodeFrame; readonly encodeFrame: typeof encodeFrame },
  options: {
    readonly seed: number
    /** The number of the first input. Default 0. */
    readonly from?: number
    readonly count: number
    readonly onProgress?: (done: number) => void
  }
) => { readonly frames: number; readonly refused: number }
