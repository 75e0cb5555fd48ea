/** Which tests `npm run unit` runs. */
import { existsSync } from "node:fs"
import { expect, it } from "vitest"
import { ownProcessTests, unitTests } from "./projects.ts"

const files = unitTests()

it.each(["test/runtime/mailbox.test.ts", "test/projects.test.ts"])("takes a test of code alone: %s", (file) => {
  expect(files).toContain(file)
})

it("leaves out what needs a token or a broker", () => {
  expect(files.filter((file) => /\.(token|tpm|broker|e2e)\./.test(file))).toEqual([])
})

it.each([
  ["by itself", "test/support/token/scripted-module.test.ts"],
  ["by a helper", "test/support/token/softhsm.test.ts"],
  ["by a script that a helper passes on", "test/support/broker/fake-cloud.test.ts"]
])("leaves out what starts a process %s", (_, file) => {
  expect(existsSync(file)).toBe(true)
  expect(files).not.toContain(file)
})

it.each([
  "test/platform/tls/tls-peers.test.ts",
  "test/platform/tls/tls-soak.test.ts",
  "test/actors/lasting-garbage.test.ts"
])("gives a process of its own to a test that counts what its process holds: %s", (file) => {
  expect(ownProcessTests()).toContain(file)
  expect(files).not.toContain(file)
})
