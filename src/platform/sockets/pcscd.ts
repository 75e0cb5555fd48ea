/**
 * Whether pcscd accepts a user. Debian's asks polkit, which allows users with a login session; a service has none. A module
 * then sees no readers.
 *
 * pcscd closes the connection of a client it refuses, before it reads. Source: pcsc-lite, winscard_msg.h: `rxHeader`, `CMD_VERSION`.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { nodeOptions } from "../process/node-options.ts"

/** Undefined: no pcscd, or it did not respond in time. `user`: whom root asks for; undefined: the caller. */
export const pcscdServes = (
  user: { readonly uid: number; readonly gid: number } | undefined,
  path = "/run/pcscd/pcscd.comm"
): Effect.Effect<boolean | undefined> =>
  Effect.callback<boolean | undefined>((resume) => {
    if (!existsSync(path)) return resume(Effect.succeed(undefined))
    // In a process of its own: pcscd checks the user of the peer.
    const child = spawn(process.execPath, [...nodeOptions(), "-e", question, path], {
      stdio: "ignore",
      cwd: "/",
      env: {},
      ...(user !== undefined && { uid: user.uid, gid: user.gid })
    })
    child.on("error", () => resume(Effect.succeed(undefined)))
    child.on("exit", (code) =>
      resume(Effect.succeed(code === exits.served ? true : code === exits.refused ? false : undefined))
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  }).pipe(Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.succeed(undefined) }))

const exits = { served: 10, refused: 11 } as const

/** Sends the version that this client speaks (4.4); any response will do. */
const question = `
  const body = Buffer.alloc(20)
  ;[12, 0x11, 4, 4, 0].forEach((word, at) => body.writeUInt32LE(word, 4 * at))
  const socket = require("node:net").connect(process.argv[1])
  let code = ${exits.refused}
  socket.on("connect", () => socket.write(body))
  socket.on("data", () => { code = ${exits.served}; socket.destroy() })
  socket.on("error", (error) => { if (!["EPIPE", "ECONNRESET"].includes(error.code)) code = 1 })
  socket.on("close", () => { process.exitCode = code })
`
