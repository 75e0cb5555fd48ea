/** docs/keys-and-certificates.md, block by block, on one device with an empty token, a cloud and a tenant. */
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { commandBlocks } from "../docs/commands.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type EstServer, startEstServer, tenantUser } from "../support/tls/est-server.ts"
import { type TestPki, testPki } from "../support/tls/pki.ts"
import { type GuideDevice, guideDevice } from "./guide-device.ts"

let dir: string
let device: GuideDevice
let pki: TestPki
let tenant: EstServer
let certificate: string

beforeAll(async () => {
  dir = makeTempDir()
  device = await guideDevice(dir)
  pki = testPki()
  tenant = await startEstServer(pki)
  tenant.state.registered.set("my-device", "my-one-time-password")
  tenant.state.acceptsAnyToken = true
  tenant.state.withChain = true
  const bundle = join(dir, "both-authorities.pem")
  await device.types(`cat '${pki.caFile}' '${device.cloud.caFile}' > '${bundle}'`)
  await device.cloud.trustOnly(bundle)
  await device.types(`tedge config set c8y.root_cert_path '${bundle}'`)
  await device.types(`tedge config set c8y.http ${tenant.address}`)
  certificate = (await device.types("tedge config get device.cert_path")).trim()
})

afterAll(async () => {
  await tenant.close()
  await device.close()
  pki.remove()
  removeTempDir(dir)
})

/** What is typed at the questions of a block, by its first words. */
const typed: Readonly<Record<string, string>> = {
  "tedge hsm init": "87654321\n87654321\n123456\n123456\n",
  "tedge cert create --device-id": `${tenantUser.password}\n`,
  "tedge hsm change-pin": "123456\n4711\n4711\n",
  "tedge cert create-key-hsm --label spare-key": "y\n"
}

/** What the page leaves to a person or a CA before or after a block. */
const meanwhile: Readonly<Record<string, () => Promise<void>>> = {
  // The ways to a certificate exclude each other.
  "tedge cert create --device-id": async () => rmSync(certificate),
  "tedge cert create-csr": async () => rmSync(certificate),
  "tedge config set mqtt.bridge.built_in": async () => {
    const publicKey = join(dir, "csr.pub")
    await device.types(`openssl req -in my-device.csr -verify -noout -pubkey > '${publicKey}'`)
    await device.types(`cp '${await device.ca.issueDevice("my-device", publicKey)}' '${certificate}'`)
  }
}

const of = <A>(table: Readonly<Record<string, A>>, commands: string): A | undefined =>
  Object.entries(table).find(([start]) => commands.startsWith(start))?.[1]

describe("docs/keys-and-certificates.md", () => {
  for (const { where, commands } of commandBlocks().filter(({ document }) => document.endsWith("certificates.md")))
    it(`${where} does what it says`, async () => {
      await of(meanwhile, commands)?.()
      expect(await device.types(commands, of(typed, commands))).not.toContain("error:")
    })

  it("has changed keys, PIN and certificate as it says", async () => {
    expect(tenant.trusted).toMatchObject([{ name: "my-device" }])
    expect(await device.types("tedge config get device.cryptoki.pin")).toBe("4711\n")
    expect(await device.types("tedge hsm list-keys")).not.toContain("spare-key")
    expect(existsSync(`${certificate}.new`)).toBe(false)
    expect(await device.types(`openssl x509 -in '${certificate}' -noout -issuer`)).toContain("Tenant CA")
  })
})
