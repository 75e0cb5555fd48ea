/**
 * A token host as a process: start, output, and SIGKILL.
 *
 * SIGKILL does not end a process in uninterruptible sleep (state D, a driver that hangs), so waiting for it is bounded.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import type { Socket } from "node:net"
import { join } from "node:path"
import type { Deferred } from "effect"
import { controlsReplaced } from "../../../messages/shown-text.ts"
import { nodeOptions } from "../../../platform/process/node-options.ts"
import { printUser } from "../../../platform/users/become-user.ts"
import type { RunningLimit } from "../../../runtime/primitives/deadlines.ts"
import type { ShortLivedMap } from "../../../runtime/primitives/short-lived.ts"
import type { TracedCall } from "../pkcs11/values.ts"
import { type HostUser, hostEnvironment } from "./environment.ts"

export interface HostProcess<Call extends HostCall = HostCall> {
  readonly child: ChildProcess
  readonly pipe: Socket
  readonly send: (request: unknown) => void
  readonly output: ModuleOutput
  /** Calls without an outcome. */
  readonly pending: ShortLivedMap<number, Call>
  readonly exited: Deferred.Deferred<void>
  /** Gives every pending call its outcome: the process is gone, or was given up. */
  readonly failPending: () => void
  lastCall: number
  /** The next look at a host that has something to do. */
  looking: RunningLimit | undefined
  /** Takes no more calls. */
  isEnding: boolean
  /** `call`: one call hung, the others that were pending did not. */
  killedFor: "call" | "host" | undefined
  /** Called when no caller waits for a pending call any more. */
  onIdle: (() => void) | undefined
  /** How it ended; undefined while it lives. */
  end: { readonly signal: string | undefined; readonly spawnError: string | undefined } | undefined
}

export interface HostCall {
  /** False: its caller was interrupted. */
  isAwaited: boolean
}

export interface HostSettings {
  readonly modulePath: string
  /** For C_Initialize with all the module does to be loaded. */
  readonly initializeMs: number
  /** The host gets what is allowed of it. */
  readonly environment: NodeJS.ProcessEnv
  /** Undefined: the host is the same user as we. */
  readonly user?: HostUser | undefined
  /** Told of each call of the module. */
  readonly onCall?: ((call: TracedCall) => void) | undefined
}

/** Throws what `spawn` throws: ENOMEM. EMFILE comes as an event, and the process then has no pipes. */
export const spawnProcess = ({ environment, user, onCall }: HostSettings): ChildProcess =>
  spawn(
    process.execPath,
    [
      ...nodeOptions(),
      hostEntry(),
      String(process.pid),
      user === undefined ? "" : printUser(user),
      ...(onCall === undefined ? [] : ["trace"])
    ],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: hostEnvironment(environment, user),
      cwd: "/"
    }
  )

/** Beside the bundle we run from; in a checkout, where the build puts it. */
const hostEntry = (): string => {
  const beside = join(__dirname, "token-host.cjs")
  return existsSync(beside) ? beside : join(__dirname, "../../../../dist/token-host.cjs")
}

/**
 * Stopped by SIGSTOP, which no token causes. Job control stops and continues us with it; a debugger's stop ("t") does not
 * count. Source: proc_pid_stat(5), field 3.
 */
export const isStopped = ({ child }: HostProcess): boolean => {
  try {
    return /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"))
  } catch {
    // No /proc, or no process any more: its end or the limit will tell.
    return false
  }
}

export const killHost = (host: HostProcess, because: "call" | "host"): void => {
  // Without a process id it was never started: its event says why in a moment.
  if (host.end !== undefined || host.killedFor !== undefined || host.child.pid === undefined) return
  host.killedFor = because
  host.child.kill("SIGKILL")
  const giveUp = setTimeout(() => abandon(host), killedMs)
  host.child.once("exit", () => clearTimeout(giveUp))
}

/** Nothing of ours waits for it any more, the end of this process included. */
const abandon = (host: HostProcess): void => {
  host.end ??= { signal: "SIGKILL", spawnError: undefined }
  for (const stream of [host.pipe, host.child.stdout, host.child.stderr]) stream?.destroy()
  host.child.unref()
  host.failPending()
}

/** SIGKILL takes milliseconds, unless the process hangs in a driver. */
const killedMs = 2000

/**
 * The last lines a PKCS#11 module printed: often the only hint on why a call failed. Bounded; control characters and the
 * PINs that were sent to the module are removed.
 */
export interface ModuleOutput {
  readonly add: (chunk: Uint8Array) => void
  /** From now on this text is never part of the output. */
  readonly hide: (secret: string) => void
  /** One line, empty if the module said nothing. */
  readonly last: () => string
}

const keptBytes = 4096
const keptLines = 3

export const moduleOutput = (): ModuleOutput => {
  let text = ""
  const secrets = new Set<string>()
  return {
    add: (chunk) => {
      text = (text + Buffer.from(chunk).toString("utf8")).slice(-keptBytes)
    },
    hide: (secret) => {
      if (secret !== "") secrets.add(secret)
    },
    last: () => {
      const shown = [...secrets].reduce((output, secret) => output.replaceAll(secret, "[REDACTED]"), text)
      return shown
        .split("\n")
        .map((line) => controlsReplaced(line, " ").trim())
        .filter((line) => line !== "")
        .slice(-keptLines)
        .join("; ")
    }
  }
}
