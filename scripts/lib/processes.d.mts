export interface FoundProcess {
  readonly pid: number
  readonly command: string
}

export declare const processesOf: (dir: string) => ReadonlyArray<FoundProcess>
export declare const killProcessesOf: (dir: string) => ReadonlyArray<FoundProcess>
