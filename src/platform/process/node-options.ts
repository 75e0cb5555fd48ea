/**
 * Options for the Node of a process that we start: one thread beside the main one, whose memory it is, too, and no debugger on
 * SIGUSR1, where this Node knows the option (22.14, 24).
 */
export const nodeOptions = (): ReadonlyArray<string> => [
  "--v8-pool-size=1",
  ...(process.allowedNodeEnvironmentFlags.has("--disable-sigusr1") ? ["--disable-sigusr1"] : [])
]

/**
 * In the environment of a process that we start: one arena of malloc for all threads of Node. What is free at the top of any
 * other than the first, malloc_trim(3) leaves: 2 MiB of a service after a load. It is read before the first thread starts, so
 * the scripts of the services (bin/) set it, too.
 */
export const oneArena = { MALLOC_ARENA_MAX: "1" } as const
