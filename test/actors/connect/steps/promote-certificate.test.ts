/** A renewed certificate put in the place of the present one, behind links. */
import { chownSync, lchownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { replaceCertificate } from "../../../../src/actors/connect/steps/promote-certificate.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { isRoot } from "../../../support/test-user.ts"

const certificate = (base64: string) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`
const key = "-----BEGIN PRIVATE KEY-----\nZ2VoZWlt\n-----END PRIVATE KEY-----\n"

const replace = (path: string, renewed: string) =>
  Effect.runPromise(
    Effect.flip(replaceCertificate(() => Effect.void, path, renewed)).pipe(Effect.orElseSucceed(() => undefined))
  )

it.runIf(isRoot)("a key of root's behind a link of another user is not copied", async () => {
  const dir = tempDir()
  const [path, target, renewed] = [
    join(dir, "certs/device.pem"),
    join(dir, "root.pem"),
    join(dir, "certs/device.pem.new")
  ]
  mkdirSync(join(dir, "certs"))
  writeFileSync(target, certificate("b2xk") + key, { mode: 0o600 })
  writeFileSync(renewed, certificate("bmV3"))
  symlinkSync(target, path)
  chownSync(join(dir, "certs"), 1, 1)
  lchownSync(path, 1, 1)
  expect(await replace(path, renewed)).toMatchObject({ _tag: "FileNotWritten", path, code: "link of another user" })
  expect(readFileSync(target, "utf8")).toBe(certificate("b2xk") + key)

  // Behind a link of root's it keeps its key.
  lchownSync(path, 0, 0)
  expect(await replace(path, renewed)).toBeUndefined()
  expect(readFileSync(target, "utf8")).toBe(certificate("bmV3") + key)
})
