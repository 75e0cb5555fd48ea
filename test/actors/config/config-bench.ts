/** A directory of its own, and a ConfigActor that lives in it for one message. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Redacted } from "effect"
import { afterEach, beforeEach } from "vitest"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import type { ConfigEvent, ConfigProtocol } from "../../../src/messages/config.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"

export type Use<A, E> = (config: ActorRef<ConfigProtocol>) => Effect.Effect<A, E>

type Variables = Readonly<Record<string, string>>

export const within = { within: "30 seconds" } as const

export const get =
  (key: string, profile?: string): Use<Gotten, unknown> =>
  (config) =>
    Effect.map(config.ask("Get", { key, profile }, within), (shown) => ({
      ...shown,
      value: shown.value && Redacted.value(shown.value)
    }))

export type Gotten = Omit<ConfigProtocol["Get"]["answer"], "value"> & { readonly value: string | undefined }

export const change =
  (message: "Set" | "Add" | "Remove", key: string, value: string, profile?: string): Use<Warned, unknown> =>
  (config) =>
    config.ask(message, { key, value: Redacted.make(value), profile }, within)

export const set = (key: string, value: string, profile?: string) => change("Set", key, value, profile)

export const unset =
  (key: string, profile?: string): Use<Warned, unknown> =>
  (config) =>
    config.ask("Unset", { key, profile }, within)

type Warned = ConfigProtocol["Set"]["answer"]

export const version2 = (text: string): string => `[config]\nversion = "2"\n${text}`

/** Makes and removes the directory around each test of the file that calls it. */
export const configBench = () => {
  const bench = { dir: "", events: [] as Array<ConfigEvent>, locks: [] as Array<string> }
  beforeEach(() => {
    Object.assign(bench, { dir: mkdtempSync(join(tmpdir(), "config-actor-")), events: [], locks: [] })
  })
  afterEach(() => rmSync(bench.dir, { recursive: true, force: true }))

  const run = <A, E>(use: Use<A, E>, environment: Variables, options: Variables): Promise<Exit.Exit<A, E>> => {
    const place = { configDir: bench.dir, workingDir: "/elsewhere", environment, options }
    const behaviour = configBehaviour(place, {
      locked: (file, work) =>
        Effect.andThen(
          Effect.sync(() => void bench.locks.push(file)),
          work
        ),
      changed: (event) => Effect.sync(() => void bench.events.push(event))
    })
    const started = start({ name: "ConfigActor", mailbox: configMailbox, behaviour })
    return Effect.runPromiseExit(Effect.scoped(Effect.flatMap(started, use)))
  }
  return {
    bench,
    file: () => join(bench.dir, "tedge.toml"),
    toml: (text: string) => writeFileSync(join(bench.dir, "tedge.toml"), text),
    written: () => readFileSync(join(bench.dir, "tedge.toml"), "utf8"),
    answer: async <A, E>(use: Use<A, E>, environment: Variables = {}, options: Variables = {}): Promise<A> => {
      const exit = await run(use, environment, options)
      if (Exit.isFailure(exit)) throw new Error(`refused: ${JSON.stringify(exit.cause)}`)
      return exit.value
    },
    refusal: async <A, E>(use: Use<A, E>, environment: Variables = {}): Promise<unknown> =>
      Effect.runPromise(Effect.flip(await run(use, environment, {})))
  }
}
