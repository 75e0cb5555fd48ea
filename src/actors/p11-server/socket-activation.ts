/**
 * Sockets that systemd has opened for us: it keeps them when we end, so nothing here locks, binds or removes.
 *
 * Source: sd_listen_fds(3).
 */
import { Effect } from "effect"
import { ListenFailed } from "../../messages/p11-server.ts"
import { adoptListener } from "../../platform/native/unix-addon.ts"
import { type Listen, listening } from "./listening.ts"

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
