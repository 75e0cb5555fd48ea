/** Where tpm2-pkcs11 keeps its tokens when the environment does not say. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { withTpmStore } from "../../../../src/actors/cryptoki/host/tpm-store.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const tpm = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so"

const storeFor = (place: Partial<Parameters<typeof withTpmStore>[1]>, environment: NodeJS.ProcessEnv = {}) =>
  withTpmStore(environment, {
    modulePath: tpm,
    home: "/nonexistent",
    configDir: "/nonexistent",
    isOther: true,
    ...place
  }).TPM2_PKCS11_STORE

const withStore = () => {
  const configDir = tempDir()
  mkdirSync(join(configDir, "hsm"))
  return configDir
}

describe("the store of tpm2-pkcs11", () => {
  it("is 'hsm' in the configuration directory, for a user without one", () => {
    const configDir = withStore()
    expect(storeFor({ configDir })).toBe(join(configDir, "hsm"))
    expect(storeFor({ configDir, isOther: false })).toBe(join(configDir, "hsm"))
  })

  it("is what the environment says, or the user's own", () => {
    const configDir = withStore()
    expect(storeFor({ configDir }, { TPM2_PKCS11_STORE: "/mine" })).toBe("/mine")
    const home = tempDir()
    mkdirSync(join(home, ".tpm2_pkcs11"))
    expect(storeFor({ configDir, home })).toBeUndefined()
  })

  it("is not said where the directory is missing, nor to another module", () => {
    expect(storeFor({ configDir: tempDir() })).toBeUndefined()
    expect(storeFor({ configDir: withStore(), modulePath: "/usr/lib/softhsm/libsofthsm2.so" })).toBeUndefined()
  })
})
