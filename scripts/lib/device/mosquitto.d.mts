export interface Mosquitto {
  readonly pid: number
  readonly log: () => string
  readonly signal: (name: NodeJS.Signals) => boolean
  readonly stop: (name?: NodeJS.Signals) => Promise<void>
}

export declare const startMosquitto: (options: {
  readonly dir: string
  readonly config: ReadonlyArray<string>
  readonly readyWhen: number | string
  readonly trace?: (command: ReadonlyArray<string>) => void
}) => Promise<Mosquitto>
