export declare const freePort: () => Promise<number>
export declare const startOnFreePort: <A>(
  start: (port: number) => Promise<A>,
  tries?: number
) => Promise<{ readonly port: number; readonly started: A }>
