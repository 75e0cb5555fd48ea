/** `tedge connect | reconnect | disconnect`: asks ConnectActor and shows what it tells. */
import { Effect } from "effect"
import type { CloudSelector, ConnectProtocol, ConnectRefusal } from "../../messages/connect.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { CommandHandler, CommandInput } from "../command-spec.ts"
import { startConnectActor } from "../compose.ts"
import { exitCodes } from "../exit-codes.ts"
import { processTerminal } from "../terminal.ts"
import { makeTranscript } from "./transcript.ts"

type Ask = (connect: ActorRef<ConnectProtocol>, input: CommandInput) => Effect.Effect<void, ConnectRefusal>

/** Longer than all steps may take together; each has its own limit. */
const within = { within: "15 minutes" } as const

const command =
  (ask: Ask): CommandHandler =>
  (input) => {
    const transcript = makeTranscript(processTerminal())
    return Effect.scoped(
      Effect.flatMap(startConnectActor(input, transcript.show), (connect) => ask(connect, input))
    ).pipe(
      Effect.as(exitCodes.ok as number),
      Effect.catch((failure) => Effect.as(transcript.end(failure), exitCodes.failed))
    )
  }

const selected = (input: CommandInput): CloudSelector => {
  const cloud = input.argument("CLOUD")
  return { cloud: cloud === "az" || cloud === "aws" ? cloud : "c8y", profile: input.text("profile") }
}

export const connect = command((actor, input) =>
  input.on("test")
    ? actor.ask("Test", selected(input), within)
    : actor.ask("Connect", { ...selected(input), offline: input.on("offline") }, within)
)

export const reconnect = command((actor, input) =>
  actor.ask("Reconnect", { ...selected(input), offline: input.on("offline") }, within)
)

export const disconnect = command((actor, input) => actor.ask("Disconnect", selected(input), within))
