/** The credential that systemd passes a mapper in module mode. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { refuseUnusableCredential } from "../../../../src/cli/services/pin-file.ts"
import { explainServerStart } from "../../../../src/messages/explain/p11-server.ts"
import { settingsFrom } from "../../../support/device/mapper.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const moduleMode = '[device.cryptoki]\nmode = "module"\n'

/** `credential`: content of `tedge-pin`; undefined: the directory has none. */
const start = (credential: string | Uint8Array | undefined, toml = moduleMode, variables: NodeJS.ProcessEnv = {}) => {
  const dir = tempDir()
  const credentials = join(dir, "credentials")
  mkdirSync(credentials)
  const path = join(credentials, "tedge-pin")
  if (credential !== undefined) writeFileSync(path, credential)
  const environment = { CREDENTIALS_DIRECTORY: credentials, ...variables }
  const outcome = Effect.flatMap(settingsFrom(dir, toml, { environment }), (settings) =>
    Effect.match(refuseUnusableCredential(settings, environment), {
      onSuccess: () => settings.cryptoki.pin && Redacted.value(settings.cryptoki.pin),
      onFailure: explainServerStart
    })
  )
  return Effect.runPromise(outcome).then((answer) => ({ answer, path }))
}

describe("the credential of a mapper that uses the token itself", () => {
  it("is its PIN", async () => {
    expect((await start("471147\n")).answer).toBe("471147")
  })

  it.each([
    ["empty", "", "it is empty"],
    ["longer than a PIN", "7".repeat(300), "it is longer than a PIN"],
    ["two lines", "12\n34\n", "it is not one line of UTF-8 text"],
    ["not text", Uint8Array.of(0xff, 0xfe), "it is not one line of UTF-8 text"]
  ])("is refused if it is %s, and no other PIN is used", async (_how, content, problem) => {
    const { answer, path } = await start(content, `${moduleMode}pin = "999999"\n`)
    expect(answer).toEqual({
      error: `the PIN cannot be read from '${path}': ${problem}`,
      hint: expect.stringMatching(/LoadCredentialEncrypted .* systemctl restart tedge-mapper-c8y$/)
    })
  })

  it("is refused if it is missing and no PIN is configured: the guide's default is not tried", async () => {
    const { answer, path } = await start(undefined)
    expect(answer).toMatchObject({ error: `the PIN cannot be read from '${path}': the unit has no such credential` })
  })

  it.each([
    ["a PIN of the settings replaces a missing one", undefined, `${moduleMode}pin = "471147"\n`, {}],
    ["a PIN of the environment has precedence", "", moduleMode, { TEDGE_DEVICE_CRYPTOKI_PIN: "471147" }]
  ])("%s", async (_how, content, toml, variables) => {
    expect((await start(content, toml, variables)).answer).toBe("471147")
  })

  it("does not matter in socket mode", async () => {
    expect((await start("", '[device.cryptoki]\nmode = "socket"\n')).answer).toBeUndefined()
  })
})
