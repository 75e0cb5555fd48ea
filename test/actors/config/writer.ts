/** A process that sets one setting: `node writer.cjs DIRECTORY KEY VALUE`. The lock is util-linux's flock(1). */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Effect, Redacted } from "effect"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { start } from "../../../src/runtime/actor.ts"

const [directory = "", key = "", value = ""] = process.argv.slice(2)

const locked = <A, E>(file: string, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const holder = spawn("flock", [file, "sh", "-c", "echo held; cat"], { stdio: ["pipe", "pipe", "inherit"] })
      await once(holder.stdout, "data")
      return holder
    }),
    () => work,
    (holder) =>
      Effect.promise(() => {
        holder.stdin.end()
        return once(holder, "exit")
      })
  )

const behaviour = configBehaviour(
  { configDir: directory, workingDir: "/", environment: {} },
  { locked, changed: () => Effect.void }
)

Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const config = yield* start({ name: "ConfigActor", mailbox: configMailbox, behaviour })
      yield* config.ask("Set", { key, value: Redacted.make(value) }, { within: "50 seconds" })
    })
  )
)
