/** How the service gets a listening socket, and what can prevent it. */
import { closeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { ListenFailed } from "../../messages/p11-server.ts"
import { errorCode } from "../../platform/process/error-code.ts"

/** A descriptor that listens from now on, until the scope closes. */
export type Listen = Effect.Effect<number, ListenFailed, Scope.Scope>

/** `open` answers a descriptor; `path` is how people know it. */
export const listening = (path: string, open: () => number): Listen =>
  Effect.acquireRelease(Effect.try({ try: open, catch: (error) => listenFailed(path, error) }), (descriptor) =>
    Effect.sync(() => closeSync(descriptor))
  )

/** What a system call refused, by its code. */
export const listenFailed = (path: string, error: unknown): ListenFailed => {
  const code = errorCode(error) ?? ""
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
