/** `tedge connect` itself: services, files, the local broker, what is connected already, what the cloud answers. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { freePort } from "../../../scripts/lib/free-port.mjs"
import { acquireFileLock } from "../../../src/platform/files/file-lock.ts"
import type { Row } from "./row.ts"
import type { Outcome, Place, Settings, World } from "./world.ts"

const connect = ["connect", "c8y"]
const test = [...connect, "--test"]

const connecting =
  (settings: Settings) =>
  ({ place }: World): Promise<Outcome> =>
    place(settings).tedge(connect)

/** system.toml with this [init]. */
const withInit =
  (init: string, settings: Settings = {}) =>
  ({ place }: World): Promise<Outcome> => {
    const { configDir, tedge } = place(settings)
    appendFileSync(join(configDir, "system.toml"), `[init]\n${init}`)
    return tedge([...connect, "--offline"])
  }

const commands = (of: Readonly<Record<string, string>>): string =>
  ["is_available", "restart", "stop", "start", "enable", "disable", "is_active"]
    .map((action) => `${action} = ["${of[action] ?? "true"}"${action === "is_available" ? "" : ', "{}"'}]`)
    .join("\n")
    .concat('\nname = "stub"\n')

/** Runs `then` on a device that is connected, and disconnects it whatever comes. */
const connected = (then: (place: Place, cloud: World["cloud"]) => Promise<Outcome>): Row["cause"] =>
  moody(async (place, cloud) => {
    const done = await place.tedge(connect)
    if (done.code !== 0) throw new Error(done.stderr)
    try {
      return await then(place, cloud)
    } finally {
      await place.tedge(["disconnect", "c8y"])
    }
  })

/** That cloud knows one device: those that reach it do so one after the other. */
const moody = (run: (place: Place, cloud: World["cloud"]) => Promise<Outcome>): Row["cause"] => {
  return ({ place, moodyCloud }) => {
    const mine = lastOfTheMoody.then(() => run(place({ "c8y.mqtt": moodyCloud.address }), moodyCloud))
    lastOfTheMoody = mine.catch(() => undefined)
    return mine
  }
}

let lastOfTheMoody: Promise<unknown> = Promise.resolve()

const behaving =
  (changes: Parameters<World["cloud"]["behave"]>[0], run: (place: Place) => Promise<Outcome>) =>
  async (place: Place, cloud: World["cloud"]): Promise<Outcome> => {
    cloud.behave(changes)
    try {
      return await run(place)
    } finally {
      cloud.behave({ answersToken: true, issuer: "localhost", refuseCreation: undefined })
    }
  }

/** Runs `then` while this process holds the lock of that name. */
const besidesLock = (place: Place, name: string, then: (place: Place) => Promise<Outcome>): Promise<Outcome> => {
  const locks = join(place.configDir, "../run/lock")
  mkdirSync(locks)
  return Effect.runPromise(
    Effect.scoped(
      Effect.andThen(
        acquireFileLock(join(locks, `${name}.lock`)),
        Effect.promise(() => then(place))
      )
    )
  )
}

export const cloudRows: ReadonlyArray<Row> = [
  {
    tag: "AlreadyConnected",
    failure: "connected already",
    how: "connect a second time",
    cause: connected(({ tedge }) => tedge(connect)),
    slow: true,
    says: "Connection is already established",
    next: "tedge reconnect c8y"
  },
  {
    tag: "TenantMismatch",
    failure: "tenant mismatch",
    how: "the cloud's token names another tenant; connect --test",
    cause: connected(behaving({ issuer: "other.example" }, ({ tedge }) => tedge(test))),
    slow: true,
    says: "The device is connected to other.example, but the configured URL is (mqtt=localhost, http=localhost)",
    next: "tedge reconnect c8y"
  },
  {
    tag: "ConnectionCheckFailed",
    failure: "no answer of the cloud",
    how: "the cloud does not answer on s/dat; connect --test",
    cause: connected(behaving({ answersToken: false }, ({ tedge }) => tedge(test))),
    says: "Failed to verify device is connected to Cumulocity: the bridge is up, but the cloud did not answer",
    next: "check in the cloud",
    slow: true
  },
  {
    tag: "ConnectionCheckFailed",
    failure: "bridge down",
    how: "the cloud is gone; connect --test",
    cause: connected(async ({ tedge }, cloud) => {
      await cloud.stopBroker()
      return tedge(test).finally(cloud.startBroker)
    }),
    says: /^Failed to verify device is connected to Cumulocity: the bridge is down/,
    next: "",
    slow: true
  },
  {
    tag: "DeviceNotCreated",
    failure: "device refused",
    how: "the cloud answers 100 with an error on s/e",
    cause: moody(behaving({ refuseCreation: "50,100,Device limit reached" }, ({ tedge }) => tedge(connect))),
    slow: true,
    says: "localhost did not acknowledge the device 'dev01' (50,100,Device limit reached)",
    next: "check in the cloud that this device may be registered"
  },
  {
    tag: "BrokerNotListening",
    failure: "broker not running",
    how: "system.toml restarts nothing, nothing listens on mqtt.client.port",
    cause: async (world) => {
      const port = String(await freePort())
      return withInit(commands({}), { "mqtt.client.port": port, "mqtt.bind.port": port })(world)
    },
    says: /^Timed out after 2\S+ s waiting for mosquitto to be listening at (127\.0\.0\.1|localhost):\d+: connection refused/,
    next: "see mosquitto's log",
    slow: true
  },
  {
    tag: "ServiceCommandFailed",
    failure: "a service does not start",
    how: "restart in system.toml is /bin/false",
    cause: withInit(commands({ restart: "false" })),
    says: 'Service command <"false mosquitto"> failed with code: 1',
    next: "run it manually"
  },
  {
    tag: "FileNotWritten",
    failure: "no place for mosquitto's files",
    how: "a file where the folder mosquitto-conf should be",
    cause: ({ place }) => {
      const { configDir, tedge } = place()
      writeFileSync(join(configDir, "mosquitto-conf"), "")
      return tedge([...connect, "--offline"])
    },
    says: /mosquitto-conf.*' could not be written: (ENOTDIR|EEXIST)/,
    next: "a file exists where a directory is expected"
  }
]

export const localRows: ReadonlyArray<Row> = [
  {
    tag: "NotConnected",
    failure: "not connected",
    how: "connect --test before connect",
    cause: ({ place }) => place().tedge(test),
    says: "Device is not connected to Cumulocity",
    next: "tedge connect c8y"
  },
  {
    tag: "ConnectionCheckFailed",
    failure: "local broker gone",
    how: "a marker, and nothing listens on mqtt.client.port; connect --test",
    cause: async ({ place }) => {
      const { configDir, tedge } = place({ "mqtt.client.port": String(await freePort()) })
      mkdirSync(join(configDir, "mosquitto-conf"))
      writeFileSync(join(configDir, "mosquitto-conf", "c8y-bridge.conf"), "")
      return tedge(test)
    },
    says: /^Failed to verify device is connected to Cumulocity: connection refused at/,
    next: "the problem is the local broker, not the cloud"
  },
  {
    tag: "CommandRunning",
    failure: "two commands at once",
    how: "the lock of tedge connect is held by this test; tedge disconnect",
    cause: (world) => besidesLock(world.place(), "tedge-connect-c8y", ({ tedge }) => tedge(["disconnect", "c8y"])),
    says: /^another tedge connect, reconnect or disconnect of c8y is running \(process \d+\)$/,
    next: "wait for it, then try again"
  },
  {
    tag: "HsmNeedsBuiltInBridge",
    failure: "HSM with the mosquitto bridge",
    how: "mqtt.bridge.built_in false",
    cause: connecting({ "mqtt.bridge.built_in": false }),
    says: "PKCS #11 does not work with mosquitto as the bridge",
    next: "tedge config set mqtt.bridge.built_in true"
  },
  {
    tag: "MosquittoBridgeRequested",
    failure: "the mosquitto bridge",
    how: "mqtt.bridge.built_in false, mode off",
    cause: connecting({ "mqtt.bridge.built_in": false, "device.cryptoki.mode": "off" }),
    says: "this tedge does not support the mosquitto bridge",
    next: "tedge config set mqtt.bridge.built_in true"
  },
  {
    tag: "ProfilesCollide",
    failure: "profiles that collide",
    how: "two profiles with one topic prefix",
    cause: connecting({ "c8y.profiles.two.url": "two.example", "c8y.profiles.two.bridge.topic_prefix": "c8y" }),
    says: "these settings must differ between profiles",
    next: "tedge config set c8y.profiles.two.bridge.topic_prefix <another value>"
  },
  {
    tag: "ServiceManagerUnavailable",
    failure: "no service manager",
    how: "is_available in system.toml is /bin/false",
    cause: withInit(commands({ is_available: "false" })),
    says: "the service manager 'stub' is not available",
    next: "check [init] in system.toml"
  },
  {
    tag: "SystemFileInvalid",
    failure: "system.toml with a mistake",
    how: "[init] without commands",
    cause: withInit('name = "stub"\n'),
    says: "Syntax error in the system config file",
    next: /^Check '.*system\.toml' file$/
  },
  {
    tag: "LockHeld",
    failure: "a mapper that runs already",
    how: "its lock is held by this test; tedge-mapper",
    cause: (world) => besidesLock(world.place(), "tedge-mapper-c8y", ({ mapper }) => mapper(["c8y"])),
    says: "Another instance of tedge-mapper-c8y is running."
  },
  {
    tag: "LockUnavailable",
    failure: "no place for locks",
    how: "run.path/lock is a file; tedge-mapper",
    cause: async (world) => {
      const { configDir, mapper } = world.place({ "c8y.url": undefined, "c8y.mqtt": undefined })
      writeFileSync(join(configDir, "../run/lock"), "")
      return mapper(["c8y"])
    },
    says: /lock\/tedge-mapper-c8y\.lock' cannot be locked: (ENOTDIR|EEXIST)/
  }
]
