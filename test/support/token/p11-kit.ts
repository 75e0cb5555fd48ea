/**
 * p11-kit: another module's tokens over a UNIX socket, and the module of the system's trusted certificates.
 *
 * `p11-kit server` forks for each connection; the module runs in that child, `p11-kit-client.so` in ours.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"

export interface Remoting {
  readonly modulePath: string
  /** What a process needs in its environment to see the tokens behind the server. */
  readonly env: Readonly<Record<string, string>>
  readonly cleanup: () => Promise<void>
}

export interface RemotedModule {
  readonly modulePath: string
  /** For the module itself, in the server. */
  readonly env: Readonly<Record<string, string>>
}

/** Serves all tokens of a module. Call `cleanup` at the end. */
export const p11KitServer = async (remoted: RemotedModule): Promise<Remoting> => {
  const modulePath = moduleAt("p11-kit-client.so")
  const dir = makeTempDir()
  const socket = join(dir, "pkcs11")
  const args = ["server", "--foreground", "--name", socket, "--provider", remoted.modulePath, "pkcs11:"]
  const server = spawn("p11-kit", args, { env: { ...process.env, ...remoted.env }, stdio: "ignore", detached: true })
  const exited = new Promise<void>((resolve) => {
    server.once("exit", () => resolve())
    server.once("error", () => resolve())
  })
  const cleanup = async () => {
    // The group: a connection that is still open has a child of its own.
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null)
      process.kill(-server.pid, "SIGKILL")
    await exited
    removeTempDir(dir)
  }
  for (const startedAt = performance.now(); !existsSync(socket); await pause(20))
    if (server.exitCode !== null || server.pid === undefined || performance.now() - startedAt > 60_000) {
      await cleanup()
      throw new Error("p11-kit server did not start within a minute; is p11-kit installed?")
    }
  return { modulePath, env: { P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` }, cleanup }
}

/** Certificates the system trusts, as a token: no login, no keys, nothing can be written. */
export const trustModulePath = (): string => moduleAt("p11-kit-trust.so")

const moduleAt = (name: string): string => {
  const paths = folders.map((folder) => join(folder, name))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`p11-kit's modules are not installed: none of ${paths.join(", ")} is there`)
  return path
}

const folders = ["/usr/lib/x86_64-linux-gnu/pkcs11", "/usr/lib/aarch64-linux-gnu/pkcs11", "/usr/lib64/pkcs11"]
