/** `tedge connect | reconnect | disconnect`: asks ConnectActor and shows what it tells. */
import { Effect } from "effect"
import type { CloudSelector, Connected, ConnectProtocol, ConnectRefusal } from "../../messages/connect.ts"
import { explainOldCertificate } from "../../messages/explain/note.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { CommandHandler, CommandInput } from "../command-spec.ts"
import { startConnectActor } from "../compose.ts"
import { codeOfFailure, exitCodes } from "../exit-codes.ts"
import { processTerminal } from "../terminal.ts"
import { makeTranscript } from "./transcript.ts"

/** Answers the exit code. */
type Ask = (connect: ActorRef<ConnectProtocol>, input: CommandInput) => Effect.Effect<number, ConnectRefusal>

/** Longer than all steps may take together; each has its own limit. */
const within = { within: "15 minutes" } as const

const command =
  (ask: Ask): CommandHandler =>
  (input) => {
    const transcript = makeTranscript(processTerminal())
    return Effect.scoped(Effect.flatMap(startConnectActor(input, transcript.show), (actor) => ask(actor, input))).pipe(
      Effect.catch((failure) => Effect.as(transcript.end(failure), codeOfFailure(failure))),
      Effect.onInterrupt(() => transcript.interrupted)
    )
  }

const selected = (input: CommandInput): CloudSelector => {
  const cloud = input.argument("CLOUD")
  return { cloud: cloud === "az" || cloud === "aws" ? cloud : "c8y", profile: input.text("profile") }
}

const wanted = (input: CommandInput) => ({ ...selected(input), offline: input.on("offline") })

const exitCodeOf = ({ newCertificate }: Connected): Effect.Effect<number> =>
  newCertificate === "unused"
    ? Effect.as(processTerminal().line(explainOldCertificate), exitCodes.connectedWithOldCertificate)
    : Effect.succeed(exitCodes.ok)

export const connect = command((actor, input) =>
  input.on("test")
    ? Effect.as(actor.ask("Test", selected(input), within), exitCodes.ok)
    : Effect.flatMap(actor.ask("Connect", wanted(input), within), exitCodeOf)
)

export const reconnect = command((actor, input) =>
  Effect.flatMap(actor.ask("Reconnect", wanted(input), within), exitCodeOf)
)

export const disconnect = command((actor, input) =>
  Effect.as(actor.ask("Disconnect", selected(input), within), exitCodes.ok)
)
