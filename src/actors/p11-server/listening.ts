/**
 * How the service gets a listening socket, its own or one that systemd has opened, and what can prevent it.
 *
 * A socket of systemd is kept when we end, so nothing here locks, binds or removes. Source: sd_listen_fds(3).
 */
import { closeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { ListenFailed } from "../../messages/p11-server.ts"
import { adoptListener } from "../../platform/native/unix-addon.ts"
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

/** Descriptors handed to this process; empty when there are none. The variables must not reach our children. */
export const activatedDescriptors = (variables: Readonly<NodeJS.ProcessEnv>, pid: number): ReadonlyArray<number> => {
  const count = Number(variables.LISTEN_FDS ?? "0")
  if (Number(variables.LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > mostDescriptors)
    return []
  return Array.from({ length: count }, (_, index) => firstDescriptor + index)
}

const firstDescriptor = 3
/** More is nonsense, and would make us look at descriptors that are something else. */
const mostDescriptors = 64

/**
 * Serves on a listening UNIX socket that is open already. Once: to stop listening closes the descriptor, so a service
 * that fails has to end, and systemd restarts it with the same socket.
 */
export const listenOnDescriptor = (descriptor: number): Listen => {
  const path = `descriptor ${descriptor}`
  const adopted = listening(path, () => {
    adoptListener(descriptor)
    return descriptor
  })
  return Effect.mapError(adopted, ({ detail }) => new ListenFailed({ path, reason: "badDescriptor", detail }))
}
