export interface Tpm {
  readonly modulePath: string
  /** What a process needs in its environment to see this TPM. */
  readonly env: Readonly<Record<string, string>>
  /** The TPM itself dies, as if it had been torn out. */
  readonly killTpm: () => void
  readonly stop: () => Promise<void>
}

/** Without a resource manager. `port`: where the TPM takes commands, of one client at a time. */
export declare const startBareTpm: (
  dir: string
) => Promise<Pick<Tpm, "modulePath" | "env" | "stop"> & { readonly port: number }>

/** `dir` exists and is empty. */
export declare const startTpm: (dir: string) => Promise<Tpm>
