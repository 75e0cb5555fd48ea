/** `tedge status`: queries all services on their sockets in parallel, and prints the result. */
import { Effect } from "effect"
import type { Explanation } from "../../../messages/explain/explanation.ts"
import { explain, type Failure } from "../../../messages/explain.ts"
import { OptionNeeds, OptionsExclude } from "../../../messages/hsm.ts"
import { connectionState, isBad, isCertificateBad } from "../../../messages/status/verdict.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"
import type { CommandHandler, CommandInput } from "../../command-line/command-spec.ts"
import { codeOfFailure, exitCodes } from "../../command-line/exit-codes.ts"
import { startConfigActor } from "../../compose/compose-config.ts"
import { processTerminal } from "../../terminal/terminal.ts"
import { configDirOf } from "../config/config-command.ts"
import { askService } from "./ask-service.ts"
import { plainLines } from "./plain-lines.ts"
import { exitCodeOf, type StatusReport } from "./report.ts"
import { renderScreen, screenStyle } from "./screen.ts"
import { openScreen } from "./watch-screen.ts"
import { type WhatToAsk, whatToAsk } from "./what-to-ask.ts"

export const status: CommandHandler = (input) => {
  const terminal = processTerminal()
  return Effect.scoped(
    Effect.flatMap(Effect.andThen(refuseTogether(input), startConfigActor(input)), (config) =>
      Effect.gen(function* () {
        const cloud = (["c8y", "az", "aws"] as const).find((name) => name === input.argument("CLOUD"))
        const look = whatToAsk(config, { cloud, profile: input.text("profile") }, configDirOf(input))
        const first = yield* look
        if (!input.on("web") && !input.on("watch")) return yield* once(first, input)
        const looking = refreshing(look, first)
        return yield* input.on("web") ? page(looking, input) : watch(looking, input)
      })
    )
  ).pipe(
    Effect.catch((failure: Failure) => {
      const code = failure._tag === "NothingConnected" ? exitCodes.failed : codeOfFailure(failure)
      const isAnswer = input.on("json") && code !== exitCodes.usage
      return terminal
        .failure(failure)
        .pipe(Effect.andThen(isAnswer ? answerWithout(failure) : Effect.void), Effect.as(code))
    })
  )
}

/** With `--json` an object is printed even if nothing is known. */
const answerWithout = (failure: Failure): Effect.Effect<void> =>
  Effect.flatMap(wallNow, (now) => {
    const { error, hint } = explain(failure)
    const report: StatusReport = {
      version: 1,
      at: Math.round(now),
      connections: [],
      services: [],
      note: error,
      ...(hint !== undefined && { hint })
    }
    return processTerminal().answer(`${JSON.stringify(report)}\n`)
  })

const refuseTogether = (input: CommandInput): Effect.Effect<void, OptionsExclude | OptionNeeds> => {
  const other = ["watch", "json"].find((option) => input.on(option))
  if (input.on("web") && other !== undefined)
    return Effect.fail(new OptionsExclude({ option: `--${other}`, other: "--web" }))
  return input.given("listen") && !input.on("web")
    ? Effect.fail(new OptionNeeds({ option: "--listen", other: "--web" }))
    : Effect.void
}

/** While watching, settings may change and services start or stop; if they become unreadable, the last state is kept, with the reason. */
const refreshing = (look: Effect.Effect<WhatToAsk, Failure>, first: WhatToAsk): Effect.Effect<WhatToAsk> => {
  let last = first
  const asBefore = (note: Explanation): WhatToAsk => ({ ...last, note })
  return look.pipe(
    Effect.map((asked) => {
      // A connection that is down has no socket to be found by.
      if (asked.note !== undefined && last.note === undefined) return asBefore(asked.note)
      last = asked
      return asked
    }),
    Effect.catch((failure) => Effect.sync(() => asBefore(explain(failure))))
  )
}

/** Connections first, then the signing service they depend on. */
const page = (looking: Effect.Effect<WhatToAsk>, input: CommandInput) =>
  Effect.gen(function* () {
    const { showStatusPage } = yield* Effect.promise(() => import("./page/status-page.ts"))
    const look = Effect.map(looking, ({ runPath, manager, connections, services, note }) => ({
      runPath,
      manager,
      services: [...connections.map(({ service, ...connection }) => ({ ...service, connection })), ...services],
      ...(note !== undefined && { note })
    }))
    return yield* showStatusPage(processTerminal(), { look, listen: input.text("listen") })
  })

const once = (asked: WhatToAsk, input: CommandInput): Effect.Effect<number> =>
  Effect.gen(function* () {
    const report = yield* refresh(asked)
    const { stdout } = process
    const text = input.on("json")
      ? JSON.stringify(report)
      : renderScreen(report, screenStyle({ columns: stdout.columns, isTTY: stdout.isTTY === true }, process.env)).join(
          "\n"
        )
    yield* processTerminal().answer(`${text}\n`)
    return exitCodeOf(report)
  })

const watch = (looking: Effect.Effect<WhatToAsk>, input: CommandInput): Effect.Effect<never> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { stdout } = process
      const isScreen = stdout.isTTY === true && process.env.TERM !== "dumb" && !input.on("json")
      const show = isScreen
        ? yield* openScreen(stdout, (report, height) =>
            renderScreen(report, screenStyle({ columns: stdout.columns, isTTY: true }, process.env), height)
          )
        : (report: StatusReport) =>
            processTerminal().answer(`${input.on("json") ? JSON.stringify(report) : plainLines(report).join("\n")}\n`)
      return yield* Effect.forever(
        Effect.gen(function* () {
          const begun = yield* monotonicNow
          yield* show(yield* Effect.flatMap(looking, refresh))
          // A service that hangs delays the result by its time limit of one second.
          yield* Effect.sleep(Math.max(everyMs - ((yield* monotonicNow) - begun), shortestPauseMs))
        })
      )
    })
  )

const refresh = ({ connections, services, manager, runPath, note }: WhatToAsk): Effect.Effect<StatusReport> =>
  Effect.gen(function* () {
    const ask = (service: WhatToAsk["services"][number]) => askService(service, runPath, manager)
    const [ofConnections, ofServices] = yield* Effect.all(
      [
        Effect.forEach(connections, ({ service }) => ask(service), { concurrency: "unbounded" }),
        Effect.forEach(services, ask, { concurrency: "unbounded" })
      ],
      { concurrency: 2 }
    )
    const at = Math.round(yield* wallNow)
    return {
      version: 1,
      at,
      connections: connections.flatMap((connection, index) => {
        const service = ofConnections[index]
        if (service === undefined) return []
        const state = connectionState(service)
        // The settings count if the service does not report it.
        const certificate = service.snapshot === undefined ? connection.certificate : undefined
        return [
          { ...connection, state, bad: isBad({ ...service, state }) || isCertificateBad(certificate, at), service }
        ]
      }),
      services: ofServices,
      ...(note !== undefined && { note: note.error, ...(note.hint !== undefined && { hint: note.hint }) })
    }
  })

const everyMs = 1_000
const shortestPauseMs = 200
