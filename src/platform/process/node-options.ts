/** Options for the Node of a process that we start: no debugger on SIGUSR1, where this Node knows the option (22.14, 24). */
export const nodeOptions = (): ReadonlyArray<string> =>
  process.allowedNodeEnvironmentFlags.has("--disable-sigusr1") ? ["--disable-sigusr1"] : []
