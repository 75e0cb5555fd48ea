/** How often a module is loaded: some take seconds for it, and a second process at a card ends the login of the first. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { defaultLimits } from "../../../../src/actors/cryptoki/settings.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { signal } from "../../../support/signal.ts"
import { pin, run, type ScriptedKit, startScripted, uri } from "../module-kit.ts"

const within = { within: 30_000 } as const

/** A token whose module notices what is plugged in while it is loaded, unlike SoftHSM2. */
const startCard = (token: "shared" | "own" = "shared") =>
  Effect.tap(startScripted({}, token), ({ script }) =>
    Effect.sync(() => script.setToken("*", { manufacturer: "Card maker" }))
  )

const loads = ({ script }: ScriptedKit) => script.calls("C_Initialize")

it("a service's lists between signatures load no module, and end no login", () =>
  run(
    Effect.gen(function* () {
      const kit = yield* startCard()
      yield* kit.sign({})
      for (let turn = 0; turn < 5; turn++) {
        expect(yield* kit.ref.ask("ListTokens", undefined, within)).toHaveLength(2)
        yield* kit.sign({})
      }
      expect(loads(kit)).toBe(1)
      expect(kit.script.calls("C_Login")).toBe(1)
    })
  ))

it("a list while a signature waits for a touch has a host of its own", () =>
  run(
    Effect.gen(function* () {
      const kit = yield* startCard()
      // A token that was quick the last time is given up after four seconds.
      kit.script.set({ C_Sign: { delayMs: 5, times: 1 } })
      yield* kit.sign({})
      kit.script.set({ C_Sign: { hang: true, times: 1 } })
      const touched = yield* Effect.forkChild(kit.sign({}), { startImmediately: true })
      while (kit.script.calls("C_Sign") < 2) yield* Effect.sleep(20)
      expect(yield* kit.ref.ask("ListTokens", undefined, within)).toHaveLength(2)
      expect(touched.pollUnsafe()).toBeUndefined()
      expect(loads(kit)).toBe(2)
      for (const pid of kit.script.processes().filter(isAlive)) signal(pid, "SIGKILL")
    })
  ))

it("what a command does with a token, one after the other, takes one host", () =>
  run(
    Effect.gen(function* () {
      const kit = yield* startCard("own")
      yield* kit.ref.ask("ListTokens", undefined, within)
      yield* kit.ref.ask("ListKeys", { token: {} }, within)
      const parameters = { type: "ecdsa", curve: "p256" } as const
      yield* kit.ref.ask("CreateKey", { token: {}, parameters, label: "other", id: undefined }, within)
      yield* kit.sign({ uri: uri("pkcs11:object=other") })
      yield* kit.ref.ask("DeleteKey", { key: { uri: uri("pkcs11:object=other") } }, within)
      const newPin = pin("654321")
      yield* kit.ref.ask("ChangePin", { token: { pin: pin("123456") }, newPin, by: { kind: "change" } }, within)
      expect(loads(kit)).toBe(1)
    })
  ))

it("a card that another program holds is waited for, by the host that has it loaded", () =>
  run(
    Effect.gen(function* () {
      const kit = yield* startScripted({ limits: { ...defaultLimits, listMs: 2000 } })
      kit.script.setToken("*", { manufacturer: "Yubico (www.yubico.com)" })
      yield* kit.sign({})
      // Of the look at the key before each handshake.
      kit.script.set({ C_GetSessionInfo: { delayMs: 4000, times: 1 } })
      yield* kit.ref.ask("ChooseScheme", { key: {}, offered: ["ecdsa_secp256r1_sha256"] }, within)
      expect(loads(kit)).toBe(1)
    })
  ))

it("a token that is plugged in while another is used is listed, and found", () =>
  run(
    Effect.gen(function* () {
      const kit = yield* startCard("own")
      kit.directory.addToken({ label: "second" })
      kit.script.setToken("second", { hidden: true, manufacturer: "Card maker" })
      yield* kit.sign({ uri: uri("pkcs11:token=my-token") })
      kit.script.setToken("second", { hidden: false, manufacturer: "Card maker" })
      expect(yield* kit.ref.ask("ListTokens", undefined, within)).toHaveLength(3)
    })
  ))
