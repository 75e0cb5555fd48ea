/** A mapper in this process: settings from a real tedge.toml, a fake token, brokers of the test's choice. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { configPlace } from "../../../src/actors/config/read-sources.ts"
import type { Connect } from "../../../src/actors/mqtt/broker-connection.ts"
import { type Mapper, startMapper } from "../../../src/cli/services/mapper/mapper-graph.ts"
import { type MapperPlan, planMapper } from "../../../src/cli/services/mapper/mapper-plan.ts"
import type { CloudName } from "../../../src/messages/connect.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import type { Installation } from "../../../src/messages/installation/installation.ts"
import { start } from "../../../src/runtime/actor.ts"
import { Channel } from "../../../src/runtime/channel.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { type FakeToken, fakeToken } from "../../../src/testing/fake-token.ts"
import type { TestPki } from "../tls/pki.ts"

/** The settings that a tedge.toml with these lines gives. Its directory gets the file. */
export const settingsFrom = (
  dir: string,
  toml: string,
  {
    cloud = "c8y",
    installation = "everything-ours",
    environment = {}
  }: {
    readonly cloud?: CloudName
    readonly installation?: Installation["kind"]
    readonly environment?: NodeJS.ProcessEnv
  } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      mkdirSync(join(dir, "run", "lock"), { recursive: true })
      writeFileSync(join(dir, "tedge.toml"), `[config]\nversion = "2"\n[run]\npath = "${join(dir, "run")}"\n${toml}`)
      const place = configPlace({ configDir: dir, workingDir: dir, environment, installation })
      const writing = { locked: <A, E>(_file: string, work: Effect.Effect<A, E>) => work, changed: () => Effect.void }
      const config = yield* start({
        name: "config",
        mailbox: configMailbox,
        behaviour: configBehaviour(place, writing)
      })
      const { settings } = yield* config.ask("ReadCloudSettings", { cloud, profile: null }, { within: "10 seconds" })
      return settings
    })
  )

export const planFrom = (dir: string, toml: string, cloud?: CloudName, installation?: Installation["kind"]) =>
  Effect.flatMap(
    settingsFrom(dir, toml, { ...(cloud && { cloud }), ...(installation && { installation }) }),
    planMapper
  )

/** The settings of a mapper with its key in a file, for Cumulocity and the local broker at these ports of localhost. */
export const c8yToml = (options: {
  readonly pki: TestPki
  readonly cloudPort: number
  readonly localPort: number
  /** Lines of `[c8y]`. */
  readonly more?: string
}): string => `[c8y]
url = "localhost"
mqtt = "localhost:${options.cloudPort}"
root_cert_path = "${options.pki.caFile}"
${options.more ?? ""}
[device]
cert_path = "${options.pki.deviceCertFile}"
key_path = "${options.pki.deviceKeyFile}"
[mqtt.client]
port = ${options.localPort}
`

export interface TestMapper extends Mapper {
  readonly token: FakeToken
}

/** `token.plug()` is told to the mapper, as CryptokiActor does it. */
export const startTestMapper = (options: {
  readonly plan: MapperPlan
  readonly connect: (cryptoki: ActorRef<CryptokiProtocol>) => Connect
  readonly token?: (onEvent: (event: CryptokiEvent) => void) => FakeToken
}): Effect.Effect<TestMapper, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const cryptokiEvents = Channel.make<CryptokiEvent>("cryptoki")
    const makeToken = options.token ?? ((onEvent) => fakeToken({ defaultPin: "123456", onEvent }))
    const token = makeToken((event) => cryptokiEvents.offer(event))
    const mapper = yield* startMapper({
      plan: options.plan,
      cryptoki: token.behaviour,
      cryptokiEvents,
      connect: options.connect
    })
    return { ...mapper, token }
  })

/** Waits of milliseconds instead of seconds. */
export const impatient = (plan: MapperPlan): MapperPlan => {
  const backOff = { initialMs: 20, maximumMs: 100, resetAfterMs: 1_000 }
  return {
    ...plan,
    localLink: { ...plan.localLink, backOff },
    serviceLink: { ...plan.serviceLink, backOff },
    cloudLink: { ...plan.cloudLink, backOff }
  }
}
