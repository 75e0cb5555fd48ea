/**
 * `tedge cert` and `tedge hsm` as they run in the executable, without starting one: same words, same actors, same
 * sentences. The token is SoftHSM2 behind its token host, a fake, or none.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Readable } from "node:stream"
import { Effect, Redacted } from "effect"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { requestMailbox } from "../../../src/actors/cryptoki/settings.ts"
import { runCommandLine } from "../../../src/cli/command-line/command-line.ts"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { parseCommandLine } from "../../../src/cli/command-line/effect-cli.ts"
import type { TokenActors } from "../../../src/cli/commands/hsm/token-command.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { runTokenCommand, type TokenCommandWords, tokenCommands } from "../../../src/cli/commands/token-commands.ts"
import { behaviourFor } from "../../../src/cli/compose/compose-cryptoki.ts"
import { installedProgram } from "../../../src/cli/compose/installed-program.ts"
import { makePrompts } from "../../../src/cli/terminal/prompts.ts"
import { makeTerminal } from "../../../src/cli/terminal/terminal.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import { everythingOurs, type Installation } from "../../../src/messages/installation/installation.ts"
import { DialFailed, type MqttMessage, type MqttSessionProtocol } from "../../../src/messages/mqtt.ts"
import { type Behaviour, start } from "../../../src/runtime/actor.ts"

export interface InProcess {
  readonly configDir: string
  /** Where the settings expect them by default. */
  readonly certPath: string
  readonly keyPath: string
  readonly csrPath: string
  /** Replaces tedge.toml. */
  readonly settings: (toml: string) => void
  /** As `tedge config set`. */
  readonly set: (key: string, value: string) => Promise<void>
  /** `typed`: standard input. */
  readonly tedge: (words: ReadonlyArray<string>, typed?: string) => Promise<Printed>
}

export interface Printed {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface InProcessOptions {
  /** In place of what the settings ask for. */
  readonly cryptoki?: Behaviour<CryptokiProtocol>
  /** SOFTHSM2_CONF, TEDGE_… */
  readonly environment?: NodeJS.ProcessEnv
  readonly localBroker?: Behaviour<MqttSessionProtocol>
  readonly installation?: Installation
  readonly events?: Array<CryptokiEvent>
}

/** An installation in `dir`; its settings are empty. */
export const tedgeInProcess = (dir: string, options: InProcessOptions = {}): InProcess => {
  const configDir = join(dir, "etc")
  mkdirSync(configDir, { recursive: true })
  mkdirSync(join(dir, "run"), { recursive: true })
  const settings = (toml: string) =>
    writeFileSync(
      join(configDir, "tedge.toml"),
      `run.path = "${join(dir, "run")}"\n${toml}\n[config]\nversion = "2"\n`,
      { mode: 0o640 }
    )
  settings("")
  const certificates = join(configDir, "device-certs")
  return {
    configDir,
    certPath: join(certificates, "tedge-certificate.pem"),
    keyPath: join(certificates, "tedge-private-key.pem"),
    csrPath: join(certificates, "tedge.csr"),
    settings,
    set: (key, value) =>
      Effect.runPromise(
        Effect.scoped(
          Effect.flatMap(startConfig(configDir, options), (config) =>
            Effect.asVoid(
              config.ask("Set", { key, profile: undefined, value: Redacted.make(value) }, { within: "30 seconds" })
            )
          )
        )
      ),
    tedge: (words, typed) => runWords(words, typed, startActors(configDir, options), options)
  }
}

const runWords = async (
  words: ReadonlyArray<string>,
  typed: string | undefined,
  actors: ReturnType<typeof startActors>,
  { environment = {}, installation = everythingOurs }: InProcessOptions
): Promise<Printed> => {
  const printed = { stdout: "", stderr: "" }
  const stream = (name: keyof typeof printed) => ({
    write: (text: string) => {
      printed[name] += text
    }
  })
  const terminal = makeTerminal({ stdout: stream("stdout"), stderr: stream("stderr"), environment: {} })
  const prompts = makePrompts(Readable.from(typed === undefined ? [] : [Buffer.from(typed)]), terminal.text)
  const names = Object.keys(tokenCommands) as ReadonlyArray<TokenCommandWords>
  const handlers = Object.fromEntries(
    names.map((name) => [
      name,
      async () => (input: Parameters<typeof runTokenCommand>[2]["input"]) =>
        runTokenCommand(name, actors, { input, terminal, prompts })
    ])
  )
  const output = { out: terminal.answer, err: terminal.text }
  const program = installedProgram(tedgeProgram, installation)
  const line = { program, handlers, environment, output, parse: parseCommandLine }
  const code = await Effect.runPromise(runCommandLine(line, readWords(program, words)))
  return { code, ...printed }
}

const startConfig = (configDir: string, { environment = {}, installation = everythingOurs }: InProcessOptions) =>
  start({
    name: "config",
    mailbox: configMailbox,
    behaviour: configBehaviour(
      { configDir, workingDir: configDir, environment, installation: installation.kind },
      { locked: (_file, work) => work, changed: () => Effect.void }
    )
  })

const startActors = (configDir: string, options: InProcessOptions) =>
  Effect.gen(function* () {
    const { environment = {}, localBroker = noBroker } = options
    const config = yield* startConfig(configDir, options)
    const { settings } = yield* config.ask("ReadSettings", undefined, { within: "30 seconds" })
    const publish = (event: CryptokiEvent) => Effect.sync(() => void options.events?.push(event))
    const composed = {
      settings,
      environment: { ...process.env, ...environment },
      publish,
      lifetime: "command"
    } as const
    const cryptoki = yield* start({
      name: "cryptoki",
      mailbox: requestMailbox,
      behaviour: options.cryptoki ?? behaviourFor(composed)
    })
    const session = yield* start({
      name: "session",
      mailbox: { capacity: 16, overflow: { policy: "refuse" } },
      behaviour: localBroker
    })
    return { config, cryptoki, localBroker: session } satisfies TokenActors
  })

/** Without a listener. */
export const noBroker: Behaviour<MqttSessionProtocol> = {
  init: () =>
    Effect.succeed({
      Open: ({ target: { host, port } }) =>
        Effect.fail(new DialFailed({ host, port, code: "ECONNREFUSED", detail: "" })),
      Publish: () => Effect.void,
      Subscribe: () => Effect.void,
      Next: () => Effect.never,
      Close: () => Effect.void
    })
}

/** A broker with a bridge behind it that sends these on `s/dat` when a token is asked for on `s/uat`. */
export const brokerThatSends = (
  payloads: ReadonlyArray<string>,
  asked: Array<MqttMessage> = [],
  /** There before anybody asks: retained, or for another client. */
  before: ReadonlyArray<Pick<MqttMessage, "retain"> & { readonly text: string }> = []
) => ({
  init: () =>
    Effect.sync(() => {
      const early = [...before]
      const waiting: Array<string> = []
      return {
        Open: () => Effect.succeed({ sessionPresent: false }),
        Subscribe: () => Effect.void,
        Publish: ({ message }: { readonly message: MqttMessage }) =>
          Effect.sync(() => {
            asked.push(message)
            if (message.topic.endsWith("/s/uat")) waiting.push(...payloads)
          }),
        Next: () =>
          Effect.suspend(() => {
            const first = early.shift()
            if (first !== undefined)
              return Effect.succeed({ ...messageOf("c8y/s/dat", first.text), retain: first.retain })
            const text = waiting.shift()
            return text === undefined ? Effect.never : Effect.succeed(messageOf("c8y/s/dat", text))
          }),
        Close: () => Effect.void
      }
    }),
  concurrent: { tags: ["Next" as const], inFlight: 1 }
})

const messageOf = (topic: string, text: string): MqttMessage => ({
  topic,
  payload: Buffer.from(text),
  qos: 1,
  retain: false
})
