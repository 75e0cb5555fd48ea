/** What ConfigActor answers, on real files in a directory of its own. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Redacted } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import type { ConfigEvent, ConfigProtocol } from "../../../src/messages/config.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"

let dir: string
const events: Array<ConfigEvent> = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "config-actor-"))
  events.length = 0
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const within = { within: "5 seconds" } as const
const secret = (text: string) => Redacted.make(text)

/** Runs with an actor whose environment and options are given. */
const run = <A, E>(
  use: (config: ActorRef<ConfigProtocol>) => Effect.Effect<A, E>,
  environment: Record<string, string> = {},
  options: Record<string, string> = {}
): Promise<Exit.Exit<A, E>> =>
  Effect.runPromiseExit(
    Effect.scoped(
      Effect.gen(function* () {
        const config = yield* start({
          name: "ConfigActor",
          mailbox: configMailbox,
          behaviour: configBehaviour(
            { configDir: dir, workingDir: "/work-dir", environment, options },
            {
              locked: (_file, work) => work,
              changed: (event) => Effect.sync(() => void events.push(event))
            }
          )
        })
        return yield* use(config)
      })
    )
  )

const answer = async <A, E>(...args: Parameters<typeof run<A, E>>): Promise<A> => {
  const exit = await run(...args)
  if (Exit.isFailure(exit)) throw new Error(`refused: ${JSON.stringify(exit.cause)}`)
  return exit.value
}

const refusal = async <A, E>(...args: Parameters<typeof run<A, E>>): Promise<unknown> =>
  Effect.runPromise(Effect.flip(Effect.flatten(Effect.succeed(await run(...args)))))

const toml = (text: string) => writeFileSync(join(dir, "tedge.toml"), text)
const written = () => readFileSync(join(dir, "tedge.toml"), "utf8")
const get = (key: string, profile?: string) => (config: ActorRef<ConfigProtocol>) =>
  Effect.map(config.ask("Get", { key, profile }, within), ({ value, warnings, source, idProblem }) => ({
    value: value && Redacted.value(value),
    warnings,
    source,
    idProblem
  }))
const set = (key: string, value: string, profile?: string) => (config: ActorRef<ConfigProtocol>) =>
  config.ask("Set", { key, value: secret(value), profile }, within)

describe("reading a setting", () => {
  it("takes the option before the variable, the variable before the file, the file before the default", async () => {
    toml('[config]\nversion = "2"\n[device]\ntype = "from-file"\n')
    const key = "device.type"
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "from-env" }, { [key]: "from-option" })).value).toBe(
      "from-option"
    )
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "from-env" })).value).toBe("from-env")
    expect((await answer(get(key), { TEDGE_DEVICE_TYPE: "" })).value).toBe("from-file")
    rmSync(join(dir, "tedge.toml"))
    expect((await answer(get(key))).value).toBe("thin-edge.io")
  })

  it("sets and gets a profile", async () => {
    await answer(set("c8y.url", "x.example", "prod"))
    expect(written()).toContain("[c8y.profiles.prod]")
    expect((await answer(get("c8y.mqtt", "prod"))).value).toBe("x.example:8883")
    expect(statSync(join(dir, "tedge.toml")).mode & 0o777).toBe(0o644)
    expect(await refusal(get("c8y.url", "other"))).toMatchObject({ _tag: "UnknownProfile", known: ["prod"] })
    mkdirSync(join(dir, "mappers/c8y.prod"), { recursive: true })
    writeFileSync(join(dir, "mappers/c8y.prod/mapper.toml"), "")
    expect(await refusal(get("c8y.url"))).toMatchObject({ _tag: "NewerConfigurationFound", cloud: "c8y" })
  })

  it("reads all settings of a cloud", async () => {
    toml(
      '[config]\nversion = "2"\n[c8y]\nurl = "x.example"\n[device]\nkey_uri = "pkcs11:token=t;object=k"\nkey_pin = "1234"\n'
    )
    const { settings } = await answer((config) => config.ask("ReadCloudSettings", { cloud: "c8y" }, within))
    expect(settings.cloud.mqtt).toEqual({ host: "x.example", port: 8883 })
    expect(settings.cloud.device.key.uri).toMatchObject({ token: "t", object: "k" })
    expect(JSON.stringify(settings)).not.toContain("1234")
  })
})
