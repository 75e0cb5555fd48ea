export interface SoftToken {
  readonly dir: string
  readonly label: string
  readonly pin: string
  readonly modulePath: string
  /** To be given to every process that is to see this token. */
  readonly env: { readonly SOFTHSM2_CONF: string }
  /** PKCS#11 URI of the token, as p11tool prints it. */
  readonly uri: string
  /** `id` in hex digits. `publicKey` is a PEM file, `uri` names the private key. */
  readonly generateKey: (keyLabel: string, id: string) => Promise<{ readonly publicKey: string; readonly uri: string }>
}

export declare const softhsmModule: () => string

export declare const createSoftToken: (options: {
  readonly dir: string
  readonly label: string
  readonly pin?: string
  readonly soPin?: string
  readonly trace?: (command: ReadonlyArray<string>) => void
}) => Promise<SoftToken>
