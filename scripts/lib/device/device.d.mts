import type { Done, RunOptions } from "../run.mjs"
import type { FakeCloud } from "./fake-cloud.mjs"
import type { Mosquitto } from "./mosquitto.mjs"
import type { SoftToken } from "./soft-token.mjs"
import type { TestCa } from "./test-ca.mjs"

export interface Device {
  readonly dir: string
  readonly deviceId: string
  readonly token: SoftToken
  readonly key: { readonly publicKey: string; readonly uri: string }
  readonly ca: TestCa
  /** Path of the device's certificate. */
  readonly certificate: string
  readonly cloud: FakeCloud
  readonly broker: Mosquitto & { readonly port: number }
  readonly configDir: string
  readonly env: NodeJS.ProcessEnv
  readonly tedge: (args: ReadonlyArray<string>, options?: RunOptions) => Promise<Done>
  /** Disconnects and ends the brokers. */
  readonly close: () => Promise<void>
}

export declare const executable: (
  name: "tedge" | "tedge-mapper" | "tedge-p11-server" | "tedge-hsm" | "tedge-hsm-bridge"
) => string
export declare const createConfigDir: (dir: string) => string
export declare const startLocalBroker: (options: {
  readonly dir: string
}) => Promise<Mosquitto & { readonly port: number }>
export declare const placeSettings: (options: {
  readonly dir: string
  readonly token: Pick<SoftToken, "pin">
  readonly certificate: string
  readonly cloud: FakeCloud
  readonly localPort: number
}) => ReadonlyArray<readonly [key: string, value: string]>
export declare const createDevice: (options: {
  readonly dir: string
  readonly deviceId: string
  readonly pin?: string
}) => Promise<Device>
