export interface KeyAndCertificate {
  /** Paths of PEM files. */
  readonly key: string
  readonly certificate: string
}

export interface TestCa {
  /** Path of the authority's own certificate. */
  readonly certificate: string
  readonly issueServer: (name: string, names?: ReadonlyArray<string>) => Promise<KeyAndCertificate>
  /** `publicKey` is a PEM file. Answers the path of the certificate. */
  readonly issueDevice: (deviceId: string, publicKey: string, days?: number) => Promise<string>
  readonly issueDeviceWithKey: (deviceId: string, days?: number) => Promise<KeyAndCertificate>
}

export declare const createTestCa: (
  dir: string,
  commonName?: string,
  trace?: (command: ReadonlyArray<string>) => void
) => Promise<TestCa>
