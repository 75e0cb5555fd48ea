/** `tedge start-services`: starts the enabled services of the built-in service manager, as an init system does at boot. */
import { Effect } from "effect"
import type { ServiceFailure, ServiceManager } from "../../../actors/connect/services/service-manager.ts"
import { explainEnabledElsewhere } from "../../../messages/explain/note.ts"
import type { CommandHandler } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { startConfigActor } from "../../compose/compose-config.ts"
import { processTerminal, type Terminal } from "../../terminal/terminal.ts"
import { openServices } from "./open-services.ts"

export const startServices: CommandHandler = (input) => {
  const terminal = processTerminal()
  return Effect.scoped(
    Effect.flatMap(
      Effect.gen(function* () {
        const config = yield* startConfigActor(input)
        const { settings } = yield* config.ask("ReadSettings", { secrets: "optional" }, { within: "30 seconds" })
        return yield* openServices(settings)
      }),
      (services) => startEnabled(services, terminal)
    )
  ).pipe(Effect.catch((failure) => Effect.as(terminal.failure(failure), exitCodes.failed)))
}

/** A service that fails to start does not stop the others from starting. */
const startEnabled = (services: ServiceManager, terminal: Terminal): Effect.Effect<number> =>
  Effect.gen(function* () {
    if (services.enabled === undefined) {
      yield* terminal.info(explainEnabledElsewhere(services.name))
      return exitCodes.ok
    }
    const failures: Array<ServiceFailure> = []
    for (const service of yield* services.enabled) {
      const finish = yield* terminal.step(`Starting ${service}`)
      const failure = yield* Effect.match(services.start(service), {
        onFailure: (refusal) => refusal,
        onSuccess: () => undefined
      })
      yield* finish(failure === undefined ? "done" : "failed")
      if (failure === undefined) continue
      failures.push(failure)
      yield* terminal.failure(failure)
    }
    return failures.length === 0 ? exitCodes.ok : exitCodes.failed
  })
