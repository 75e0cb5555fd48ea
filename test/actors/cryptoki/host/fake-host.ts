/** A token host without a process: tests say what the module would, on a test clock. */
import { generateKeyPairSync, sign } from "node:crypto"
import { Effect, type Scope } from "effect"
import { cryptokiBehaviour } from "../../../../src/actors/cryptoki/cryptoki-actor.ts"
import { CallRefused, CallTimedOut, type HostFault } from "../../../../src/actors/cryptoki/host/faults.ts"
import type { TokenHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import type { HostRequestName, HostRequests } from "../../../../src/actors/cryptoki/host/protocol.ts"
import type { TokenInfo, TokenObject } from "../../../../src/actors/cryptoki/pkcs11/values.ts"
import { type CryptokiSettings, defaultLimits, requestMailbox } from "../../../../src/actors/cryptoki/settings.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { monotonicNow } from "../../../../src/runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../../../src/runtime/protocol.ts"
import { pin } from "../module-kit.ts"

export interface FakeModule {
  /** Of the library. */
  readonly manufacturer: string
  tokens: ReadonlyArray<TokenInfo>
  objects: ReadonlyArray<TokenObject>
  /** Slots of tokens without any object. */
  empty: ReadonlyArray<string>
  /** How long a signature takes. */
  signMs: number
  /** So many signatures end with a defect of ours. */
  defects: number
  /** So many signatures do not return in time. */
  hangs: number
  /** What the host says of that. */
  isQuick: boolean
  /** What C_Login of a signature says. */
  contextLogin: number | undefined
  /** What was asked, in order. */
  readonly asked: Array<{ readonly name: HostRequestName; readonly asked: object }>
  /** Seconds at which a host was started. */
  readonly started: Array<number>
}

export const settings: CryptokiSettings = {
  modulePath: "/m.so",
  defaultPin: undefined,
  scope: undefined,
  latchDirectory: "/nowhere",
  limits: defaultLimits,
  idleHostEnds: false,
  keepPollingMs: 0,
  environment: {}
}

export const someToken = (label: string): TokenInfo => ({
  slot: "0",
  slotDescription: "",
  slotManufacturer: "",
  label,
  model: "M",
  manufacturer: "F",
  serial: `serial of ${label}`,
  flags: 0x404
})

export const someKey: TokenObject = {
  handle: "7",
  kind: "private",
  keyType: 3,
  label: "k",
  id: Uint8Array.of(1),
  curve: new Uint8Array(Buffer.from("06082a8648ce3d030107", "hex")),
  alwaysAuthenticate: false,
  maySign: true
}

export interface FakeKit {
  readonly ref: ActorRef<CryptokiProtocol>
  readonly events: ReadonlyArray<CryptokiEvent>
  readonly module: FakeModule
}

export const startFake = (
  settings: Partial<CryptokiSettings> = {},
  change: Partial<FakeModule> = {}
): Effect.Effect<FakeKit, never, Scope.Scope> =>
  Effect.gen(function* () {
    const module: FakeModule = {
      manufacturer: "F",
      tokens: [someToken("t")],
      objects: [someKey],
      empty: [],
      signMs: 0,
      defects: 0,
      hangs: 0,
      isQuick: false,
      contextLogin: undefined,
      asked: [],
      started: [],
      ...change
    }
    const events: Array<CryptokiEvent> = []
    const ref = yield* start<CryptokiProtocol, never, never>({
      name: "cryptoki",
      mailbox: requestMailbox,
      behaviour: cryptokiBehaviour(
        {
          modulePath: "/fake.so",
          defaultPin: pin("1234"),
          scope: undefined,
          latchDirectory: "/proc/nowhere",
          limits: defaultLimits,
          idleHostEnds: false,
          keepPollingMs: 0,
          environment: {},
          ...settings
        },
        {
          publish: (event) => Effect.sync(() => void events.push(event)),
          startHost: () =>
            Effect.map(monotonicNow, (now) => {
              module.started.push(now / 1000)
              return fakeHost(module)
            })
        }
      )
    })
    return { ref, events, module }
  })

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })

const fakeHost = (module: FakeModule): TokenHost => ({
  library: { manufacturer: module.manufacturer, description: "fake", version: "1.0" },
  isIdle: () => true,
  call: (name, asked, limitMs) =>
    Effect.suspend(() => {
      module.asked.push({ name, asked })
      if (name === "sign" && module.defects-- > 0) return Effect.die(new Error("a mistake"))
      if (name === "sign" && module.hangs-- > 0)
        return Effect.delay(Effect.fail(new CallTimedOut({ call: name, afterMs: limitMs, detail: "" })), limitMs)
      return answer(module, name, "slot" in asked ? asked.slot : "")
      // Each branch answers what its request asks for.
    }) as Effect.Effect<HostRequests[typeof name]["answer"], HostFault>
})

const answer = (module: FakeModule, name: HostRequestName, slot: string): Effect.Effect<unknown, HostFault> => {
  switch (name) {
    case "tokens":
      return Effect.succeed(module.tokens)
    case "open":
      return Effect.succeed(module.tokens.find((token) => token.slot === slot) ?? module.tokens[0])
    case "login":
    case "check":
      return Effect.succeed(true)
    case "objects":
      return Effect.succeed(module.empty.includes(slot) ? [] : module.objects)
    case "material":
      return Effect.succeed({ modulus: new Uint8Array(128).fill(0xff) })
    case "sign":
      return module.contextLogin === undefined
        ? Effect.delay(
            Effect.sync(() => signature(module)),
            module.signMs
          )
        : Effect.fail(new CallRefused({ call: "C_Login", code: module.contextLogin, detail: "" }))
    default:
      return Effect.succeed(null)
  }
}

const signature = ({ isQuick }: FakeModule) => ({
  signature: sign("sha256", Buffer.alloc(0), { key: privateKey, dsaEncoding: "ieee-p1363" }),
  mechanismIndex: 0,
  isQuick,
  tookMs: isQuick ? 0.5 : 2
})
