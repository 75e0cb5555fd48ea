/** A stream server that serves half-closed clients, and how it begins to listen. */
import { createServer, type Server } from "node:net"
import { Effect, type Scope } from "effect"
import { ListenFailed } from "../../messages/p11-server.ts"

/** Makes a server listen; `prepare` gives it its listeners before the first client can come. */
export type Listen = (prepare: (server: Server) => void) => Effect.Effect<void, ListenFailed, Scope.Scope>

/** Stops listening when the scope closes; connections are their owners' business. */
export const newServer: Effect.Effect<Server, never, Scope.Scope> = Effect.acquireRelease(
  // A client finishes writing before it reads its answer.
  Effect.sync(() => createServer({ allowHalfOpen: true })),
  (server) => Effect.sync(() => void server.close())
)

/**
 * Done when clients can connect. `mode`: permissions of the socket that is made; undefined: what the umask leaves.
 * `path` is how people know it.
 */
export const startListening = (
  server: Server,
  where: { readonly path: string } | { readonly fd: number },
  { path, mode }: { readonly path: string; readonly mode: number | undefined }
): Effect.Effect<void, ListenFailed> =>
  Effect.callback((resume) => {
    const onError = (error: Error) => resume(Effect.fail(listenFailed(path, error)))
    const onListening = () => resume(Effect.void)
    server.once("error", onError).once("listening", onListening)
    // The umask is the whole process's; the socket is bound before `listen` returns, so nobody else meets it.
    const before = mode === undefined ? undefined : process.umask(0o777 & ~mode)
    server.listen(where)
    if (before !== undefined) process.umask(before)
    return Effect.sync(() => server.off("error", onError).off("listening", onListening))
  })

/** What a system call refused, by its code. */
export const listenFailed = (path: string, error: unknown): ListenFailed => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return new ListenFailed({ path, reason: reasonOf(code) ?? "other", detail: code === "" ? String(error) : code })
}

export const reasonOf = (code: string): ListenFailed["reason"] | undefined => reasons[code]

const reasons: Readonly<Record<string, ListenFailed["reason"]>> = {
  EACCES: "noPermission",
  EPERM: "noPermission",
  EROFS: "readOnly",
  ENOENT: "noDirectory",
  ENOTDIR: "noDirectory",
  EEXIST: "noDirectory",
  EADDRINUSE: "inUse"
}
