/**
 * The token host: a child process that loads one PKCS#11 module, so that a call that hangs or crashes affects only it.
 *
 * Frames use descriptor 3; standard output and error belong to the module. It ignores the signals a terminal or
 * a service manager sends to the whole group and exits when descriptor 3 closes: after the calls in flight it logs out
 * and finalises the module (a TPM without resource manager would stay blocked otherwise).
 */
import "../../../../platform/process/no-debugger.ts"
import { Socket } from "node:net"
import { libraryFault } from "../../../../platform/native/shared-library.ts"
import { endWithParent } from "../../../../platform/native/unix-addon.ts"
import { closedDevice } from "../../../../platform/process/device-access.ts"
import { messageOf } from "../../../../platform/process/error-code.ts"
import { giveMemoryBackWhenIdle } from "../../../../platform/process/idle-memory.ts"
import { leaveNoCore } from "../../../../platform/process/no-core.ts"
import { becomeUser, givenUser, type UserIds } from "../../../../platform/users/become-user.ts"
import { processMonotonicMs } from "../../../../runtime/primitives/process-time.ts"
import { ShortLivedSet } from "../../../../runtime/primitives/short-lived.ts"
import { LoadFault, traceCalls } from "../../pkcs11/pkcs11-module.ts"
import { frameReader, frameWriter } from "../frames.ts"
import type { HostRequest } from "../protocol.ts"
import { type HostState, reply } from "./requests.ts"
import { SignTimes } from "./slot.ts"

const main = (): void => {
  const [parent = "", user = "", tracing = ""] = process.argv.slice(2)
  // In ps, and in logs of the kernel and systemd-coredump about a crashed module; otherwise it would be "node".
  process.title = "tedge-token-host"
  leaveNoCore()
  const userProblem = become(givenUser(user))
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined)
  // After the change of user, which clears the signal (prctl(2)).
  if (!diesWithParent(Number(parent))) return
  const state: HostState = {
    loadFault: loadFault(userProblem),
    module: undefined,
    slots: new Map(),
    signTimes: new SignTimes(processMonotonicMs)
  }
  const inFlight = new ShortLivedSet<Promise<void>>()
  // Node would otherwise close its side with the parent's, which treats that as a lost host and kills it.
  const pipe = new Socket({ fd: 3, readable: true, writable: true, allowHalfOpen: true })
  const read = frameReader()
  const send = frameWriter((bytes) => pipe.write(bytes))
  if (tracing !== "") traceCalls((traced) => send({ traced }), processMonotonicMs)
  const end = () => {
    void Promise.allSettled(inFlight).then(() =>
      // After the responses that are being sent.
      setImmediate(() => {
        for (const slot of state.slots.values()) slot.logOut()
        try {
          state.module?.finalize()
        } catch {
          // A blocked host exits two seconds after a parent that was killed; without the add-on, once it is no longer blocked.
        }
        process.exit(0)
      })
    )
  }
  pipe.on("data", (chunk) => {
    for (const value of read(chunk)) {
      // The parent is the same program: what it frames is a request.
      const done = reply(state, value as HostRequest).then((answer) => {
        inFlight.delete(done)
        send(answer)
      })
      inFlight.add(done)
    }
  })
  giveMemoryBackWhenIdle({ isBusy: () => inFlight.size > 0, dropsCode: true })
  pipe.on("end", end)
  pipe.on("error", end)
}

/** Why it is still the caller; undefined: it is the user it was started for. */
const become = (user: UserIds | undefined): string | undefined => {
  try {
    if (user !== undefined) becomeUser(user)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** No module is loaded as root, or waits for a device that is closed to this process. */
const loadFault =
  (userProblem: string | undefined): HostState["loadFault"] =>
  ({ path, devices }) => {
    if (userProblem !== undefined) return new LoadFault("notItsUser", userProblem)
    const closed = closedDevice(devices)
    if (closed !== undefined) return new LoadFault("deviceClosed", closed)
    const fault = libraryFault(path)
    return fault && new LoadFault(fault.reason, fault.detail)
  }

/** A blocked host ends two seconds after a parent that was killed; without the add-on, when it is blocked no more. */
const diesWithParent = (parent: number): boolean => {
  try {
    return endWithParent(parent)
  } catch {
    return true
  }
}

main()
