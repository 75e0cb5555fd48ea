export interface Tpm {
  readonly modulePath: string
  /** What a process needs in its environment to see this TPM. */
  readonly env: Readonly<Record<string, string>>
  /** The TPM itself dies, as if it had been torn out. */
  readonly killTpm: () => void
  readonly stop: () => Promise<void>
}

/** `dir` exists and is empty. */
export declare const startTpm: (dir: string) => Promise<Tpm>
