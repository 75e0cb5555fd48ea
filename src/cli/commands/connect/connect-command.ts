/** `tedge connect | reconnect | disconnect`: asks ConnectActor and prints its events. */
import { Effect } from "effect"
import type { CloudSelector, Connected, ConnectProtocol, ConnectRefusal, StepEvent } from "../../../messages/connect.ts"
import { explainOldCertificate } from "../../../messages/explain/note.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { CommandHandler, CommandInput } from "../../command-line/command-spec.ts"
import { codeOfFailure, exitCodes } from "../../command-line/exit-codes.ts"
import { startConnectActor } from "../../compose/compose.ts"
import { commandLog } from "../../terminal/command-log.ts"
import { processTerminal, type Terminal } from "../../terminal/terminal.ts"
import { CurrentTerminalLoss } from "../../terminal/terminal-loss.ts"
import { makeTranscript } from "./transcript.ts"

/** Returns the exit code. */
type Ask = (
  connect: ActorRef<ConnectProtocol>,
  input: CommandInput,
  terminal: Terminal
) => Effect.Effect<number, ConnectRefusal>

/** Longer than all steps together; each has its own limit. */
const within = { within: "15 minutes" } as const

/** Once a step has started, completing or rolling back needs no terminal. */
const command =
  (ask: Ask): CommandHandler =>
  (input) =>
    Effect.gen(function* () {
      const loss = yield* CurrentTerminalLoss
      const log = commandLog(input.text("config-dir"))
      const terminal = loss.lasting(processTerminal(), log)
      const transcript = makeTranscript(terminal)
      const changes = input.command !== "connect" || !input.on("test")
      const leaves = input.command === "disconnect" ? selected(input) : undefined
      const show = (event: StepEvent) =>
        Effect.andThen(changes && event._tag === "StepStarted" ? loss.begin : Effect.void, transcript.show(event))
      return yield* Effect.scoped(
        Effect.flatMap(startConnectActor(input, show, leaves), (actor) => ask(actor, input, terminal))
      ).pipe(
        Effect.catch((failure) => Effect.as(transcript.end(failure), codeOfFailure(failure))),
        Effect.onInterrupt(() => transcript.interrupted),
        Effect.onExit((exit) => loss.ended(`tedge ${input.command}`, exit))
      )
    })

const selected = (input: CommandInput): CloudSelector => {
  const cloud = input.argument("CLOUD")
  return { cloud: cloud === "az" || cloud === "aws" ? cloud : "c8y", profile: input.text("profile") }
}

const wanted = (input: CommandInput) => ({ ...selected(input), offline: input.on("offline") })

const exitCodeOf =
  (terminal: Terminal) =>
  ({ newCertificate }: Connected): Effect.Effect<number> =>
    newCertificate === "unused"
      ? Effect.as(terminal.line(explainOldCertificate), exitCodes.connectedWithOldCertificate)
      : Effect.succeed(exitCodes.ok)

export const connect = command((actor, input, terminal) =>
  input.on("test")
    ? Effect.as(actor.ask("Test", selected(input), within), exitCodes.ok)
    : Effect.flatMap(actor.ask("Connect", wanted(input), within), exitCodeOf(terminal))
)

export const reconnect = command((actor, input, terminal) =>
  Effect.flatMap(actor.ask("Reconnect", wanted(input), within), exitCodeOf(terminal))
)

export const disconnect = command((actor, input) =>
  Effect.as(actor.ask("Disconnect", selected(input), within), exitCodes.ok)
)
