/** The commands beside thin-edge's own tedge-p11-server, played. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { socketCryptokiBehaviour } from "../../../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import { runsSystemd } from "../../../../src/cli/terminal/terminal.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import {
  clientTriedFragment,
  differsFragment,
  keptFragment,
  noOtherFragment,
  pausedFragment,
  untriedFragment
} from "../../../../src/messages/explain/token-fragments.ts"
import { start } from "../../../../src/runtime/actor.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type OriginalOptions, type OriginalService, originalService } from "../../../support/token/original-service.ts"
import { checkedRequest, checkedSelfSigned } from "../cert/openssl.ts"
import { expectRefusal } from "./expect-refusal.ts"

let dir: string
let service: OriginalService
let device: InProcess
const socketPath = () => join(dir, "p11.sock")

beforeEach(() => {
  dir = tempDir()
  device = tedgeInProcess(dir)
  use("")
})
afterEach(() => void service.server.close())

const use = (more: string) =>
  device.settings(`device.id = "dev"\n${more}\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath()}"\n`)
const serve = async (options: Omit<OriginalOptions, "socketPath"> = {}) => {
  service = await originalService({ socketPath: socketPath(), ...options })
}

describe("certificates on thin-edge's signing service", () => {
  it.each(["ec", "rsa"] as const)("are made, requested and renewed with a key of type %s", async (type) => {
    await serve()
    service.addKey("my-key", type)
    const made = await device.tedge(["cert", "create"])
    expect(made.code, made.stderr).toBe(0)
    await checkedSelfSigned(device.certPath)
    expect((await device.tedge(["cert", "create-csr"])).code).toBe(0)
    await checkedRequest(device.csrPath)
    const renewed = await device.tedge(["cert", "renew"])
    expect(renewed.code, renewed.stderr).toBe(0)
    await checkedSelfSigned(`${device.certPath}.new`)
  })

  it.each([true, "closing"] as const)(
    "are renewed by the present certificate's key where the service is too old to tell it (%s)",
    async (isOld) => {
      await serve()
      const { keys } = service
      service.addKey("my-key")
      await device.tedge(["cert", "create"])
      service.server.close()
      await serve({ isOld })
      service.keys.push(...keys)
      const renewed = await device.tedge(["cert", "renew"])
      expect(renewed.code, renewed.stderr).toBe(0)
      await checkedSelfSigned(`${device.certPath}.new`)
      // Another key by now: the signature tells, and nothing is written.
      service.keys.length = 0
      service.addKey("another")
      expectRefusal(await device.tedge(["cert", "create-csr"]), "does not match the public key")
    }
  )

  it("say which keys and tokens there are when theirs is missing", async () => {
    await serve()
    service.addKey("my-key")
    use('device.key_uri = "pkcs11:object=none"')
    expectRefusal(await device.tedge(["cert", "create"]), "Failed to find a key", "object=my-key")
    use('device.key_uri = "pkcs11:token=none;object=my-key"')
    expectRefusal(await device.tedge(["cert", "create"]), "Didn't find a slot to use", "tokens found: pkcs11:")
  })

  it("report a PIN of the settings as such, with its source", async () => {
    await serve()
    service.addKey("my-key")
    const refused = async (words: ReadonlyArray<string>, place: string) =>
      expectRefusal(await device.tedge(words), `refused the PIN it was given (${place})`, place)
    use('device.key_pin = "9999"')
    const ofDevice = `device.key_pin in '${join(device.configDir, "tedge.toml")}'`
    await refused(["cert", "create"], ofDevice)
    await refused(["hsm", "list-keys"], ofDevice)
    await refused(["hsm", "list-keys", "--pin", "8888"], "--pin")
    use('c8y.url = "x.example"\nc8y.device.key_pin = "9999"')
    await refused(["cert", "create", "c8y"], `c8y.device.key_pin in '${join(device.configDir, "tedge.toml")}'`)
    const environment = { TEDGE_DEVICE_KEY_PIN: "9999" }
    device = tedgeInProcess(dir, { environment })
    use("")
    await refused(["cert", "create"], "TEDGE_DEVICE_KEY_PIN")
  })

  it.each([
    { says: keptFragment, next: "clear-pin-latch" },
    { says: noOtherFragment, next: "clear-pin-latch" },
    { says: untriedFragment, next: "clear-pin-latch" },
    { says: `${pausedFragment} 14:00`, next: "leave the PIN to the service" },
    { says: clientTriedFragment, next: "leave the PIN to the service" },
    { says: differsFragment, next: "or remove it there: the service then uses its own" }
  ])("report a PIN that was given with its place, also if it was not tried: $says", async ({ says, next }) => {
    await serve({ refusal: `PKCS #11 service failed: token 'tedge': ${says}` })
    use('device.key_pin = "9999"')
    const place = `device.key_pin in '${join(device.configDir, "tedge.toml")}'`
    expectRefusal(await device.tedge(["cert", "create"]), `refused the PIN it was given (${place})`, next)
  })

  it("report a PIN that was typed, or given as an option, as such", async () => {
    await serve()
    const change = ["hsm", "change-pin", "pkcs11:token=tedge", "--new-pin", "654321"]
    expectRefusal(await device.tedge([...change, "--current-pin", "0000"]), "(--current-pin", "--current-pin")
    expectRefusal(await device.tedge([...change, "--reset", "--so-pin", "0000"]), "(--so-pin", "--so-pin")
  })

  it("name the service's own setting when its scope keeps them from a token or key that is there", async () => {
    await serve({ scope: "pkcs11:token=other" })
    service.addKey("my-key")
    const setting = "the service lists it, but the service applies its own device.cryptoki.uri"
    for (const uri of [
      "",
      'device.key_uri = "pkcs11:token=tedge"',
      'device.key_uri = "pkcs11:token=tedge;object=my-key"'
    ]) {
      use(uri)
      expectRefusal(await device.tedge(["cert", "create"]), "Didn't find a slot to use", setting)
    }
    service.server.close()
    await serve({ scope: "pkcs11:object=other" })
    service.addKey("my-key")
    for (const uri of ["", 'device.key_uri = "pkcs11:object=my-key"']) {
      use(uri)
      expectRefusal(await device.tedge(["cert", "create"]), "Failed to find a key", setting)
    }
  })
})

describe("a scope of the service that hides what is there", () => {
  const setting = "device.cryptoki.uri"

  it.each([
    ["hsm", "list-keys", "pkcs11:token=tedge"],
    ["hsm", "list-keys"],
    ["hsm", "delete-key", "pkcs11:token=tedge", "--label", "a", "--force"],
    ["hsm", "create-key", "pkcs11:token=tedge"],
    ["hsm", "change-pin", "pkcs11:token=tedge", "--current-pin", "123456", "--new-pin", "654321"],
    ["cert", "create"],
    ["cert", "create-csr"]
  ])("is named by %s %s", async (...words) => {
    await serve({ scope: "pkcs11:token=gone" })
    service.addKey("a")
    expectRefusal(await device.tedge(words), "PKCS #11 service failed", `the service lists it, but .* ${setting}`)
  })

  it("is named by the doctor", async () => {
    await serve({ scope: "pkcs11:token=gone" })
    const { stdout } = await device.tedge(["hsm", "doctor"])
    expect(stdout).toMatch(/✗ login and key: .*\n +hint: the service lists it, but .*device\.cryptoki\.uri/)
    expect(stdout.includes("systemctl"), stdout).toBe(runsSystemd())
  })

  it("is named where it selects another token, whose keys are of no use", async () => {
    await serve({ secondToken: "other", scope: "pkcs11:token=other;object=gone" })
    service.addKey("mine")
    service.addKey("theirs", "ec", "other")
    use('device.key_uri = "pkcs11:token=tedge;object=mine"')
    const { stderr } = await device.tedge(["cert", "create"])
    expect(stderr).toMatch(/hint: the service applies its own device\.cryptoki\.uri/)
    expect(stderr).not.toContain("object=theirs")
  })
})

it("the service's message is printed completely, up to a limit", async () => {
  const candidates = Array.from(
    { length: 12 },
    (_, at) => `pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=${at}`
  )
  const text = `PKCS #11 service failed: Found multiple initialized tokens. Please select one by passing its URI:\n${candidates.join("\n")}`
  await serve({ refusal: text })
  const { code, stderr } = await device.tedge(["cert", "create"])
  expect(code).toBe(1)
  for (const uri of candidates) expect(stderr).toContain(uri)
  service.server.close()
  await serve({ refusal: "x".repeat(900_000) })
  const long = await device.tedge(["cert", "create"])
  expect([long.code, long.stderr.length < 5000], long.stderr.slice(0, 200)).toEqual([1, true])
})

describe("keys on thin-edge's signing service", () => {
  it("are listed, but for those that no command can use", async () => {
    await serve()
    service.addKey("my-key")
    const listed = await device.tedge(["hsm", "list-keys", "--json"])
    expect(listed.code, listed.stderr).toBe(0)
    expect(JSON.parse(listed.stdout).map((key: { label: string }) => key.label)).toEqual(["my-key", "my-key"])
  })

  it("are deleted as they are shown", async () => {
    await serve()
    service.addKey("a")
    service.addKey("b")
    const done = await device.tedge(["hsm", "delete-key", "--label", "b", "--force"])
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("Deleted 2 object(s)")
    expect(service.keys.map(({ label }) => label)).toEqual(["a"])
  })

  it.each(["pkcs11:object=a", "pkcs11:token=tedge;object=a"])(
    "are left alone when the service's own %s decides which one goes",
    async (scope) => {
      await serve({ scope })
      service.addKey("a")
      service.addKey("b")
      const done = await device.tedge(["hsm", "delete-key", "--label", "b", "--force"])
      expectRefusal(done, "nothing was deleted", "device.cryptoki.uri")
      expect(done.stderr).not.toContain("for good")
      expect(service.keys).toHaveLength(2)
    }
  )

  it("are left alone when the service's own id decides which one goes", async () => {
    await serve({ scope: "pkcs11:id=%01" })
    service.addKey("b")
    service.keys.push({ ...service.addKey("a"), id: Buffer.of(1) })
    const done = await device.tedge(["hsm", "delete-key", "--label", "b", "--force"])
    expectRefusal(done, "nothing was deleted", "device.cryptoki.uri")
    expect(service.keys).toHaveLength(3)
  })

  it("are deleted where the service's own label is that of the key", async () => {
    await serve({ scope: "pkcs11:object=a" })
    service.addKey("a")
    service.addKey("b")
    const done = await device.tedge(["hsm", "delete-key", "--label", "a", "--force"])
    expect(done.code, done.stderr).toBe(0)
    expect(service.keys.map(({ label }) => label)).toEqual(["b"])
  })

  it("that were deleted without being shown are reported as such", async () => {
    await serve({ deletesFirst: true })
    service.addKey("a")
    service.addKey("b")
    const done = await device.tedge(["hsm", "delete-key", "--label", "b", "--force"])
    expectRefusal(done, "object=a")
    expect(done.stderr).not.toContain("Deleted 2 object(s)")
  })

  it("that are gone by the time are no success", async () => {
    await serve()
    const key = service.addKey("a")
    service.server.on("connection", () => {
      if (service.asked.some((frame) => frame._tag === "ListKeysRequest")) service.keys.length = 0
    })
    expectRefusal(await device.tedge(["hsm", "delete-key", "--label", key.label, "--force"]), "nothing was deleted")
  })

  it("are created where they are asked for, and selected", async () => {
    await serve({ secondToken: "other" })
    const done = await device.tedge(["hsm", "create-key", "pkcs11:token=other", "--label", "new"])
    expect(done.code, done.stderr).toBe(0)
    expect(service.keys).toMatchObject([{ token: "other", label: "new" }])
    expect(readFileSync(join(device.configDir, "tedge.toml"), "utf8")).toContain("token=other")
  })

  const wholeUri = "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=0a0b;token=tedge"

  it.each([
    { scope: "pkcs11:token=tedge", says: "Didn't find a slot to use" },
    { scope: wholeUri, says: "uses the token 'pkcs11:" }
  ])("are not created, and PINs not changed, on another token that its own $scope names", async ({ scope, says }) => {
    await serve({ secondToken: "other", scope })
    service.addKey("my-key")
    const created = await device.tedge(["hsm", "create-key", "pkcs11:token=other", "--label", "new"])
    expectRefusal(created, says, "device.cryptoki.uri")
    const pins = ["--current-pin", "123456", "--new-pin", "654321"]
    const changed = await device.tedge(["hsm", "change-pin", "pkcs11:token=other", ...pins])
    expectRefusal(changed, scope === wholeUri ? says : "No initialized token was found", "device.cryptoki.uri")
    expect([service.keys.length, service.changed]).toEqual([1, []])
  })

  it("of another token are not listed as those of the one named", async () => {
    await serve({ secondToken: "other", scope: wholeUri })
    service.addKey("my-key")
    for (const words of [["list-keys"], ["delete-key", "--label", "my-key", "--force"]]) {
      const [command = "", ...more] = words
      const listed = await device.tedge(["hsm", command, "pkcs11:token=other", ...more])
      expectRefusal(listed, "uses the token 'pkcs11:", "device.cryptoki.uri")
      expect(listed.stdout).toBe("")
    }
    expect(service.keys).toHaveLength(1)
  })

  it("that are created on another token all the same, and PINs changed there, are an error with its URI", async () => {
    await serve({ secondToken: "other", scope: wholeUri })
    const created = await device.tedge(["hsm", "create-key", "pkcs11:token=other", "--label", "new"])
    expectRefusal(created, "on another token: 'pkcs11:", "tedge hsm delete-key 'pkcs11:")
    expect(created.stdout + created.stderr).not.toContain("successfully")
    expect(readFileSync(join(device.configDir, "tedge.toml"), "utf8")).not.toContain("key_uri")
    service.keys.length = 0
    for (const by of [
      ["--current-pin", "123456"],
      ["--reset", "--so-pin", "12345678"]
    ]) {
      const words = ["hsm", "change-pin", "pkcs11:token=other", ...by, "--new-pin", "654321"]
      expectRefusal(await device.tedge(words), "but on another token: 'pkcs11:", "device.cryptoki.uri")
    }
    expect(service.changed).toEqual(["tedge", "tedge"])
  })

  it.each(["pkcs11:object=a", "pkcs11:id=%01"])("are not created where its own %s would hide them", async (scope) => {
    await serve({ scope })
    service.keys.push({ ...service.addKey("a"), id: Buffer.of(1) })
    const done = await device.tedge(["hsm", "create-key", "--label", "new"])
    expectRefusal(done, "a new key would never be used, so none was created", "device.cryptoki.uri")
    expect(service.keys).toHaveLength(2)
  })

  it("a wrong PIN is tried once", async () => {
    await serve()
    service.addKey("my-key")
    const asked = () => service.asked.filter((frame) => "pin" in frame || "oldPin" in frame).length
    for (const words of [
      ["hsm", "create-key", "--pin", "0000"],
      ["hsm", "change-pin", "--current-pin", "0000", "--new-pin", "654321"],
      ["hsm", "delete-key", "--label", "my-key", "--pin", "0000", "--force"]
    ]) {
      service.asked.length = 0
      expectRefusal(await device.tedge(words), "refused the PIN it was given")
      expect(asked(), words.join(" ")).toBe(1)
    }
  })

  it("doctor tries what the certificate commands do", async () => {
    await serve()
    service.addKey("my-key")
    await device.tedge(["cert", "create"])
    const healthy = await device.tedge(["hsm", "doctor"])
    expect(healthy.stdout).toMatch(/✓ certificate commands: /)
    service.server.close()
    // It lists and signs as before, and has lost what the commands need beside that.
    await serve({ hasPublicKeys: false })
    service.addKey("my-key")
    expect((await device.tedge(["hsm", "doctor"])).stdout).toMatch(/✗ certificate commands: .*Failed to find a key/)
  })
})

it("of several keys with one label the certificate's is named by its id", async () => {
  await serve()
  const all = ["same", "same", "same"].map((label) => service.addKey(label))
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const latches = { directory: dir, owner: undefined }
        const cryptoki = yield* start<CryptokiProtocol, never, never>({
          name: "cryptoki",
          mailbox: { capacity: 10, overflow: { policy: "refuse" } },
          behaviour: socketCryptokiBehaviour({ socketPath: socketPath(), latches })
        })
        for (const { publicKey, id } of all) {
          const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }))
          const asked = {
            offered: ["ecdsa_secp256r1_sha256"],
            key: { uri: { object: "same" } },
            publicKey: spki
          } as const
          const chosen = yield* cryptoki.ask("ChooseScheme", asked, { within: "30 seconds" })
          expect(Buffer.compare(chosen.key.uri?.id ?? Buffer.of(), id)).toBe(0)
        }
      })
    )
  )
})
