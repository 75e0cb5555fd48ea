/**
 * Obtains the listening socket of the service, its own or one passed by systemd, and the errors of that.
 *
 * A socket of systemd stays open when we end, so nothing here locks, binds or removes it. Source: sd_listen_fds(3).
 */
import { closeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { ListenFailed } from "../../messages/p11-server.ts"
import { adoptListener } from "../../platform/native/unix-addon.ts"
import { errorCode } from "../../platform/process/error-code.ts"

/** A descriptor that listens until the scope closes. */
export type Listen = Effect.Effect<number, ListenFailed, Scope.Scope>

/** `open` returns a descriptor; `path` is for display. */
export const listening = (path: string, open: () => number): Listen =>
  Effect.acquireRelease(Effect.try({ try: open, catch: (error) => listenFailed(path, error) }), (descriptor) =>
    Effect.sync(() => closeSync(descriptor))
  )

/** Classifies the error of a system call by its code. */
export const listenFailed = (path: string, error: unknown): ListenFailed => {
  const code = errorCode(error) ?? ""
  return new ListenFailed({ path, reason: listenReason(code) ?? "other", detail: code === "" ? String(error) : code })
}

export const listenReason = (code: string): ListenFailed["reason"] | undefined => reasons[code]

const reasons: Readonly<Record<string, ListenFailed["reason"]>> = {
  EACCES: "noPermission",
  EPERM: "noPermission",
  EROFS: "readOnly",
  ENOENT: "noDirectory",
  ENOTDIR: "noDirectory",
  EEXIST: "noDirectory",
  EADDRINUSE: "inUse"
}

/** Descriptors passed to this process; empty: none. Child processes must not inherit the variables. */
export const activatedDescriptors = (variables: Readonly<NodeJS.ProcessEnv>, pid: number): ReadonlyArray<number> => {
  const count = Number(variables.LISTEN_FDS ?? "0")
  if (Number(variables.LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > mostDescriptors)
    return []
  return Array.from({ length: count }, (_, index) => firstDescriptor + index)
}

const firstDescriptor = 3
/** A larger number is invalid, and would make us use unrelated descriptors. */
const mostDescriptors = 64

/**
 * Serves on a listening UNIX socket that is already open. Only once: stopping closes the descriptor, so a service
 * that fails has to exit, and systemd restarts it with the same socket.
 */
export const listenOnDescriptor = (descriptor: number): Listen => {
  const path = `descriptor ${descriptor}`
  const adopted = listening(path, () => {
    adoptListener(descriptor)
    return descriptor
  })
  return Effect.mapError(adopted, ({ detail }) => new ListenFailed({ path, reason: "badDescriptor", detail }))
}
