/**
 * Node options for child processes: one thread besides the main one, which saves memory, and no debugger on
 * SIGUSR1, if this Node has the option (22.14, 24).
 */
export const nodeOptions = (): ReadonlyArray<string> => [
  "--v8-pool-size=1",
  ...(process.allowedNodeEnvironmentFlags.has("--disable-sigusr1") ? ["--disable-sigusr1"] : [])
]

/**
 * In the environment of child processes: a single malloc arena for all threads of Node. malloc_trim(3) releases the top of
 * the first arena only: others keep 2 MiB of a service after a load. Read before the first thread starts, so
 * the scripts of the services (bin/) set it, too.
 */
export const oneArena = { MALLOC_ARENA_MAX: "1" } as const

/**
 * In the environment of a service: no chunks that a thread keeps for itself. malloc_trim(3) leaves them, and the pages they are
 * in: about 1 MiB after a load. Not for a token host, whose threads would wait for each other. A user's own value takes its place.
 */
export const noThreadCache = { GLIBC_TUNABLES: "glibc.malloc.tcache_count=0" } as const
