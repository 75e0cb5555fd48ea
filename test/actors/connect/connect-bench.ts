/** A device as ConnectActor sees it: real settings in a directory, a scripted MQTT session, scripted services. */
import { createPublicKey } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, type Exit, Queue, type Scope } from "effect"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { connectBehaviour, connectMailbox } from "../../../src/actors/connect/connect-actor.ts"
import type { ServiceManager } from "../../../src/actors/connect/services/service-manager.ts"
import {
  type ConnectProtocol,
  type ConnectRefusal,
  ServiceCommandFailed,
  ServiceManagerUnavailable,
  type StepEvent
} from "../../../src/messages/connect.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import type { Installation } from "../../../src/messages/installation/installation.ts"
import type { MqttMessage, MqttRefusal, MqttSessionProtocol } from "../../../src/messages/mqtt.ts"
import type { TokenRefusal } from "../../../src/messages/token-refusals.ts"
import { type Behaviour, start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"

/** What happens around the device; tests change it before or while a command runs. */
export interface World {
  /** The answer to CONNECT; undefined: accepted. */
  cloudRefuses: MqttRefusal | undefined
  brokerRefuses: MqttRefusal | undefined
  newCertificateRefused: MqttRefusal | undefined
  /** So long the cloud takes to refuse it. */
  newCertificateTakesMs: number
  /** How long each attempt with it was allowed to take. */
  newCertificateWithinMs: Array<number>
  /** How long the connection for the device's creation was allowed to take. */
  creationWithinMs: number | undefined
  /** Connections with the renewed certificate: whether each asked the cloud to keep the device's session. */
  readonly trialKeepsSession: Array<boolean>
  /** PEM that holds the public half of the token's key. */
  tokenKeyFile: string
  tokenRefuses: TokenRefusal | undefined
  /** What the token was asked, in order. */
  readonly tokenAsked: Array<string>
  /** Sent on `s/e` for the device's creation. */
  creationError: string | undefined
  /** Retained health of the bridge; undefined: it has said nothing. */
  bridgeHealth: string | undefined
  /** The last error of a mapper that does not keep running; undefined: it runs. */
  mapperEnds: string | undefined
  /** Runs when the mapper is asked. */
  whenAsked: () => void
  /** Retained beside the health: why it is down. */
  bridgeReason: string | undefined
  /** What comes back on `s/dat`; undefined: nothing. */
  token: string | undefined
  /** `start tedge-mapper-c8y` and the like that fail. */
  failing: Set<string>
  /** Runs when a service command is given. */
  whenCommanded: Effect.Effect<void>
  serviceManagerMissing: boolean
  /** Is the broker the service manager's to restart? */
  ownsBroker: boolean
  installed: Set<string>
  /** Main processes of services that run, as the service manager has them. */
  readonly processes: Map<string, number>
  /** The service manager's name: `systemd`, or one of system.toml. */
  serviceManager: string
}

export interface Bench {
  readonly dir: string
  readonly world: World
  /** Service commands in order: `restart mosquitto`. */
  readonly commands: Array<string>
  readonly active: Set<string>
  readonly enabled: Set<string>
  /** What went through sessions: `cloud open`, `cloud s/us 100,…`, `local close`. */
  readonly traffic: Array<string>
  readonly events: Array<StepEvent>
  /** Files made those of the services' user. */
  readonly given: Array<string>
  readonly markerPath: string
  readonly marker: () => string | undefined
  readonly settings: (toml: string) => void
  /** Runs one command of ConnectActor. */
  readonly run: <A>(
    use: (connect: ActorRef<ConnectProtocol>) => Effect.Effect<A, ConnectRefusal, Scope.Scope>
  ) => Effect.Effect<Exit.Exit<A, ConnectRefusal>>
}

export const jwt = (claims: unknown): string =>
  ["{}", JSON.stringify(claims), "x"].map((part) => Buffer.from(part).toString("base64url")).join(".")

export const makeBench = (
  dir: string,
  certFile: string,
  installation: Installation["kind"] = "everything-ours"
): Bench => {
  const world: World = {
    cloudRefuses: undefined,
    brokerRefuses: undefined,
    newCertificateRefused: undefined,
    newCertificateTakesMs: 0,
    newCertificateWithinMs: [],
    creationWithinMs: undefined,
    trialKeepsSession: [],
    tokenKeyFile: certFile,
    tokenRefuses: undefined,
    tokenAsked: [],
    creationError: undefined,
    bridgeHealth: '{"status":"up"}',
    mapperEnds: undefined,
    whenAsked: () => {},
    bridgeReason: undefined,
    token: `71,${jwt({ iss: "t.example" })}`,
    failing: new Set(),
    whenCommanded: Effect.void,
    serviceManagerMissing: false,
    ownsBroker: true,
    installed: new Set(["mosquitto", "tedge-agent"]),
    processes: new Map(),
    serviceManager: "systemd"
  }
  const commands: Array<string> = []
  const active = new Set(["mosquitto"])
  const enabled = new Set<string>()
  const traffic: Array<string> = []
  const events: Array<StepEvent> = []
  const given: Array<string> = []
  const markerPath = join(dir, "mosquitto-conf", "c8y-bridge.conf")
  const settings = (toml: string): void =>
    writeFileSync(
      join(dir, "tedge.toml"),
      `[config]\nversion = "2"\n[device]\ncert_path = "${certFile}"\n[device.cryptoki]\nmode = "module"\nmodule_path = "/lib/p11.so"\n[run]\npath = "${dir}/run"\n${toml}`
    )
  settings('[c8y]\nurl = "t.example"\n')
  const services = fakeServices({ dir, world, commands, active, enabled })
  const run: Bench["run"] = (use) =>
    Effect.exit(
      Effect.scoped(
        Effect.gen(function* () {
          const place = { configDir: dir, workingDir: dir, environment: {}, installation }
          const writing = {
            locked: <A, E>(_file: string, work: Effect.Effect<A, E>) => work,
            changed: () => Effect.void
          }
          const config = yield* start({
            name: "config",
            mailbox: configMailbox,
            behaviour: configBehaviour(place, writing)
          })
          const session = yield* start({
            name: "session",
            mailbox: { capacity: 64, overflow: { policy: "refuse" } },
            behaviour: fakeSession(world, traffic)
          })
          const cryptoki = yield* start({
            name: "cryptoki",
            mailbox: { capacity: 64, overflow: { policy: "refuse" } },
            behaviour: fakeCryptoki(world)
          })
          const connect = yield* start({
            name: "connect",
            mailbox: connectMailbox,
            behaviour: connectBehaviour({
              config,
              session,
              cryptoki,
              services: () => Effect.succeed(services),
              checkCloud: fakeMapper(world, traffic),
              makeForService: () => Effect.void,
              show: (event) => Effect.sync(() => void events.push(event)),
              giveToService: (path) => Effect.sync(() => void given.push(path)),
              reportClosed: () => Effect.void,
              mainMosquittoConf: join(dir, "mosquitto.conf"),
              findExecutable: (name) => (world.installed.has(name) ? executable(dir, name) : undefined)
            })
          })
          return yield* use(connect)
        })
      )
    )
  const marker = () => (existsSync(markerPath) ? readFileSync(markerPath, "utf8") : undefined)
  return { dir, world, commands, active, enabled, traffic, events, given, markerPath, marker, settings, run }
}

const executable = (dir: string, name: string): string => {
  const path = join(dir, "bin", name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, "#!/bin/sh\necho 'mosquitto version 2.0.20'\nexit 3\n")
  chmodSync(path, 0o755)
  return path
}

export const dropInPath = (dir: string, service: string): string =>
  join(dir, "systemd", `${service}.service.d`, "tedge-hsm.conf")

const fakeServices = ({
  dir,
  world,
  commands,
  active,
  enabled
}: Pick<Bench, "dir" | "world" | "commands" | "active" | "enabled">): ServiceManager => {
  const command = (action: string, effect: (service: string) => void) => (service: string) =>
    Effect.suspend(() => {
      const line = `${action} ${service}`
      Effect.runSync(world.whenCommanded)
      commands.push(line)
      if (world.failing.has(line))
        return Effect.fail(
          new ServiceCommandFailed({ service, command: [action, service], reason: "exit", status: "5", output: "no" })
        )
      effect(service)
      return Effect.void
    })
  return {
    get name() {
      return world.serviceManager
    },
    checkAvailable: Effect.suspend(() =>
      world.serviceManagerMissing
        ? Effect.fail(new ServiceManagerUnavailable({ name: "systemd", command: ["/bin/systemctl", "--version"] }))
        : Effect.void
    ),
    isActive: (service) => Effect.sync(() => active.has(service)),
    start: command("start", (service) => active.add(service)),
    stop: command("stop", (service) => active.delete(service)),
    restart: command("restart", (service) => active.add(service)),
    enable: command("enable", (service) => enabled.add(service)),
    disable: command("disable", (service) => enabled.delete(service)),
    enabled: undefined,
    get variables() {
      const path = (service: string) => dropInPath(dir, service)
      const reload = command("reload", () => {})("systemd")
      return world.serviceManager === "systemd" ? { path, reload } : "byHand"
    },
    process: (service) => Effect.sync(() => (active.has(service) ? world.processes.get(service) : undefined)),
    whyItEnds: () => Effect.sync(() => world.mapperEnds),
    whereToLook: (service) => `journalctl -u ${service}`,
    ownsBroker: () => Effect.sync(() => world.ownsBroker)
  }
}

/** A token with one key. */
const fakeCryptoki = (world: World): Behaviour<CryptokiProtocol> => ({
  init: (context) =>
    Effect.map(fakeToken().behaviour.init(context), (token) => ({
      ...token,
      ChooseScheme: ({ key }) =>
        Effect.suspend(() => {
          world.tokenAsked.push("ChooseScheme")
          if (world.tokenRefuses !== undefined) return Effect.fail(world.tokenRefuses)
          return Effect.succeed({ key, algorithm: "ECDSA", scheme: "ecdsa_secp256r1_sha256" } as const)
        }),
      PublicKey: () =>
        Effect.sync(() => {
          world.tokenAsked.push("PublicKey")
          const pem = readFileSync(world.tokenKeyFile)
          return createPublicKey(pem).export({ format: "der", type: "spki" })
        })
    }))
})

const message = (topic: string, payload: string): MqttMessage => ({
  topic,
  payload: Buffer.from(payload),
  qos: 0,
  retain: false
})

/** What the mapper answers on its socket. */
const fakeMapper = (world: World, traffic: Array<string>) => (path: string, withinMs: number) =>
  Effect.gen(function* () {
    traffic.push(`mapper ${path.split("/").at(-1)}`)
    world.whenAsked()
    const version = 1 as const
    const isUp = world.bridgeHealth === '{"status":"up"}'
    if (isUp && world.token !== undefined) {
      const payload = Buffer.from(world.token).toString("base64")
      return { version, answer: "check", ok: true, topic: "c8y/s/dat", payload } as const
    }
    yield* Effect.sleep(withinMs)
    if (world.bridgeHealth === undefined) return undefined
    const health = isUp ? "up" : "down"
    return { version, answer: "check", ok: false, health, reason: world.bridgeReason ?? "" } as const
  })

const fakeSession = (world: World, traffic: Array<string>): Behaviour<MqttSessionProtocol> => ({
  concurrent: { tags: ["Next", "Publish"], inFlight: 8 },
  init: () =>
    Effect.gen(function* () {
      let side: "cloud" | "local" = "local"
      let inbox = yield* Queue.unbounded<MqttMessage, MqttRefusal>()
      const hear = (topic: string, payload: string) => void Queue.offerUnsafe(inbox, message(topic, payload))
      return {
        Open: ({ target }) =>
          Effect.gen(function* () {
            side = target.tls === undefined ? "local" : "cloud"
            inbox = yield* Queue.unbounded<MqttMessage, MqttRefusal>()
            const certificate = target.tls?.identity.kind === "none" ? "" : (target.tls?.identity.certPath ?? "")
            if (certificate.endsWith(".new")) world.trialKeepsSession.push(!target.cleanSession)
            if (certificate.endsWith(".new") && world.newCertificateRefused !== undefined) {
              traffic.push("refused .new")
              world.newCertificateWithinMs.push(target.connectWithinMs)
              yield* Effect.sleep(Math.min(world.newCertificateTakesMs, target.connectWithinMs))
              return yield* Effect.fail(world.newCertificateRefused)
            }
            const refusal = side === "cloud" ? world.cloudRefuses : world.brokerRefuses
            if (refusal !== undefined) return yield* Effect.fail(refusal)
            traffic.push(`${side} open`)
            if (side === "cloud") world.creationWithinMs = target.connectWithinMs
            return { sessionPresent: false }
          }),
        Publish: ({ message: { topic, payload } }) =>
          Effect.sync(() => {
            traffic.push(`${side} ${topic} ${Buffer.from(payload)}`.trimEnd())
            if (side === "cloud" && topic === "s/us" && world.creationError !== undefined)
              hear("s/e", world.creationError)
            if (topic === "s/uat" && world.token !== undefined) hear("s/dat", world.token)
          }),
        Subscribe: () => Effect.void,
        Next: () => Queue.take(inbox),
        Close: () => Effect.sync(() => void traffic.push(`${side} close`))
      }
    })
})
