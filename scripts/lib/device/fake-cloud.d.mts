import type { TestCa } from "./test-ca.mjs"

export interface CloudMessage {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface CloudBehaviour {
  readonly answersToken: boolean
  readonly issuer: string
  readonly refuseCreation: string | undefined
}

export interface FakeCloud {
  readonly host: string
  readonly port: number
  readonly address: string
  readonly caFile: string
  readonly received: ReadonlyArray<CloudMessage>
  readonly devices: ReadonlyArray<string>
  readonly behave: (changes: Partial<CloudBehaviour>) => void
  readonly publish: (topic: string, payload: string | Buffer, qos?: 0 | 1 | 2) => Promise<unknown>
  readonly waitFor: (
    wanted: (message: CloudMessage) => boolean,
    what?: string,
    timeoutMs?: number
  ) => Promise<CloudMessage>
  readonly log: () => string
  readonly stopBroker: (signal?: NodeJS.Signals) => Promise<void>
  readonly startBroker: () => Promise<void>
  readonly freeze: () => boolean
  readonly thaw: () => boolean
  readonly trustOnly: (caFile: string) => Promise<void>
  readonly close: () => Promise<void>
}

export declare const startFakeCloud: (options: {
  readonly dir: string
  readonly ca: TestCa
  readonly trace?: (command: ReadonlyArray<string>) => void
}) => Promise<FakeCloud>
