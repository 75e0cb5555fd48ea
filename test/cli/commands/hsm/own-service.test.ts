/** The commands beside a tedge-p11-server of ours whose scope or rules keep them from what they want. */
import { Effect, Result } from "effect"
import { describe, expect, it } from "vitest"
import { type Pkcs11Uri, parsePkcs11Uri } from "../../../../src/messages/pkcs11-uri.ts"
import { withServed } from "../../../actors/p11-server/served.ts"
import { type Printed, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { expectRefusal } from "./expect-refusal.ts"

const uriOf = (text: string): Pkcs11Uri => Result.getOrThrow(parsePkcs11Uri(text))

/** Of the service: token "my-token" with the key "my-key" and the PIN 123456. */
const printed = (scope: string | undefined, words: ReadonlyArray<string>, settings = ""): Promise<Printed> =>
  withServed({ policy: { scope: scope === undefined ? undefined : uriOf(scope) } }, ({ socketPath }) => {
    const device = tedgeInProcess(tempDir())
    device.settings(
      `device.id = "dev"\n${settings}\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath}"\n`
    )
    return Effect.promise(() => device.tedge(words))
  })

describe("a scope of the service that is wrong", () => {
  it.each([
    ["pkcs11:token=wrong", "", "my-token"],
    ["pkcs11:token=wrong", 'device.key_uri = "pkcs11:object=my-key"', "my-token"],
    ["pkcs11:object=wrong", "", "my-key"],
    ["pkcs11:token=my-token;object=wrong", 'device.key_uri = "pkcs11:object=my-key"', "my-key"]
  ])(
    "%s is named as the service's setting, and no label outside of it is shown (%s)",
    async (scope, settings, hidden) => {
      const done = await printed(scope, ["cert", "create"], settings)
      expectRefusal(
        done,
        `device.cryptoki.uri of tedge-p11-server allows '${scope}' only`,
        "the service applies its own device.cryptoki.uri"
      )
      expect(done.stderr).not.toContain(hidden)
    }
  )

  it("refuses what would change a key outside of it, and shows none", async () => {
    const done = await printed("pkcs11:token=my-token;object=other", [
      "hsm",
      "delete-key",
      "pkcs11:object=my-key",
      "--force"
    ])
    expect([done.code, done.stdout]).toEqual([0, ""])
    expect(done.stderr).toContain("No matching key was found")
  })
})

describe("what the service lists when something is missing", () => {
  it("is in the hint, as in module mode", async () => {
    expectRefusal(
      await printed(undefined, ["cert", "create"], 'device.key_uri = "pkcs11:object=none"'),
      "Failed to find a key",
      "select an existing one .*object=my-key"
    )
    expectRefusal(
      await printed(undefined, ["cert", "create"], 'device.key_uri = "pkcs11:token=none"'),
      "Didn't find a slot to use",
      "tokens found: .*token=my-token"
    )
  })
})
