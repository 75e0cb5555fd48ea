/** Each command printed in the documents is run as it stands there, on a device with token, local broker and cloud. */
import { copyFileSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { createDevice, type Device, executable } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { commandBlocks, root } from "./commands.ts"

let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "documented-device" })
  const certificates = join(device.configDir, "device-certs")
  mkdirSync(certificates, { recursive: true })
  copyFileSync(device.certificate, join(certificates, "tedge-certificate.pem"))
  for (const key of ["device.cert_path", "device.key_uri", "c8y.url"]) await device.tedge(["config", "unset", key])
})

afterAll(async () => {
  await device?.close()
  removeTempDir(dir)
})

/** Shells with our executables in their PATH, as after an installation. */
const shell = (commands: string) => {
  const PATH = `${join(executable("tedge"), "..")}:${device.env.PATH}`
  return run("bash", ["-euc", commands], { env: { ...device.env, PATH }, cwd: root, timeoutMs: 120_000 })
}

/** This test is part of it. */
const runsUs = "npm test\n"

/**
 * One needs a tenant, and somebody who types: test/guide/keys-page.e2e.test.ts has both. Another installs packages:
 * scripts/test-install.mjs runs it on fresh systems. The third needs thin-edge.io's mapper: test/e2e/beside-thin-edge.e2e.test.ts. The
 * last needs a device that thin-edge.io configured: test/guide/moving-over.e2e.test.ts.
 */
const runElsewhere = [
  "docs/keys-and-certificates.md",
  "docs/install.md",
  "docs/beside-thin-edge.md",
  "docs/moving-over.md"
]

describe("the documents' commands", () => {
  const ours = commandBlocks().filter(
    ({ commands, document }) => commands !== runsUs && !runElsewhere.includes(document)
  )
  for (const { where, commands } of ours)
    it(`${where} does what it says`, async () => {
      const { code, stdout, stderr } = await shell(commands)
      expect(code, `${commands}\n${stdout}\n${stderr}`).toBe(0)
    })

  it("has the two commands of the README first", () => {
    expect(commandBlocks().slice(0, 2)).toMatchObject([{ commands: "npm run demo\n" }, { commands: runsUs }])
  })
})
