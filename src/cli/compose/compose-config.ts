/** Starts ConfigActor, the same in every program. */
import { dirname } from "node:path"
import { Effect, Schedule, type Scope } from "effect"
import { configBehaviour, configMailbox } from "../../actors/config/config-actor.ts"
import type { ConfigWriting } from "../../actors/config/edit-file.ts"
import { configPlace } from "../../actors/config/read-sources.ts"
import { ConfigFileNotWritten, type ConfigProtocol } from "../../messages/config.ts"
import { acquireFileLock } from "../../platform/files/file-lock.ts"
import { lockOwnerIn } from "../../platform/users/file-owner.ts"
import * as Actor from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { CommandInput } from "../command-line/command-spec.ts"

/** `options`: settings given as command options, by key. `withoutFile`: tedge.toml is treated as absent. */
export const startConfigActor = (
  input: CommandInput,
  options: Readonly<Record<string, string | undefined>> = {},
  { withoutFile = false }: { readonly withoutFile?: boolean } = {}
): Effect.Effect<ActorRef<ConfigProtocol>, never, Scope.Scope> => {
  const place = configPlace({
    configDir: input.text("config-dir"),
    workingDir: process.cwd(),
    environment: process.env,
    options,
    withoutFile,
    installation: input.installation.kind
  })
  return Actor.start({ name: "config", mailbox: configMailbox, behaviour: configBehaviour(place, writing) })
}

/** Two commands that write at once wait for each other. */
const writing: ConfigWriting = {
  locked: (lockFile, work) => {
    const lock = acquireFileLock(lockFile, { owner: lockOwnerIn(dirname(lockFile)) }).pipe(
      Effect.retry({
        while: (refusal) => refusal._tag === "LockHeld",
        schedule: Schedule.spaced("20 millis"),
        times: 1500
      }),
      Effect.mapError(
        (refusal) =>
          new ConfigFileNotWritten({
            path: lockFile.replace(/\.lock$/, ""),
            step: "lock",
            ...(refusal._tag === "LockHeld" ? { code: "EAGAIN" } : { code: refusal.code, detail: refusal.detail })
          })
      )
    )
    return Effect.scoped(Effect.andThen(lock, work))
  },
  changed: () => Effect.void
}
