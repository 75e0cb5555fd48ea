import type { Metafile } from "esbuild"

export declare const build: (options?: {
  readonly out?: string
  readonly version?: string
  readonly library?: boolean
}) => Promise<{ readonly outputs: Metafile["outputs"] }>
