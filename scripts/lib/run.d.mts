import type { SpawnOptions } from "node:child_process"

export interface Done {
  /** 127 when there is no such command. */
  readonly code: number
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions extends SpawnOptions {
  readonly show?: boolean
  readonly input?: string
  readonly onOutput?: (text: string, stream: "stdout" | "stderr") => void
  readonly timeoutMs?: number
}

export declare const find: (command: string) => string | undefined
export declare const run: (command: string, args?: ReadonlyArray<string>, options?: RunOptions) => Promise<Done>
export declare const mustRun: (command: string, args?: ReadonlyArray<string>, options?: RunOptions) => Promise<Done>
