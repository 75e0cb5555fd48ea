/**
 * The setup guide of thin-edge's hsm-support, line by line as it is printed, and the shorter way by `tedge` alone.
 *
 * Left out of the guide: installing packages and group membership, which are the machine's.
 */
import { copyFileSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { softhsmModule } from "../../scripts/lib/device/soft-token.mjs"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type EstServer, startEstServer } from "../support/tls/est-server.ts"
import { testPki } from "../support/tls/pki.ts"
import { type GuideDevice, guideDevice } from "./guide-device.ts"

let dir: string
let device: GuideDevice

beforeEach(async () => {
  dir = makeTempDir()
  device = await guideDevice(dir)
})

afterEach(async () => {
  await device.close()
  removeTempDir(dir)
})

const publicKeyOf = (certificate: string) => device.types(`openssl x509 -in '${certificate}' -pubkey -noout`)

/** The cloud's CA certifies what the device has made for itself. */
const certifiedByCloud = async (deviceId: string, certificate: string) => {
  const file = join(dir, "public.pem")
  await device.types(`cat > '${file}'`, await publicKeyOf(certificate))
  copyFileSync(await device.ca.issueDevice(deviceId, file), certificate)
}

describe("the setup guide", () => {
  it("moves the private key of a file into a token and ends connected", async () => {
    const { types } = device
    // A device as it is before: key and certificate in files.
    await types("tedge cert create --device-id guide-device")
    await certifiedByCloud("guide-device", (await types("tedge config get device.cert_path")).trim())

    // Step 1: set up the cryptographic token
    await types(
      `script -qec "softhsm2-util --init-token --slot 0 --label my-token" /dev/null`,
      "12345678\n12345678\n123456\n123456\n"
    )
    await types(`
    PUB_PRIV_KEY=$(
        cat "$(tedge config get device.key_path)" && cat "$(tedge config get device.cert_path)"
    )
    softhsm2-util \\
        --import <(echo "$PUB_PRIV_KEY") \\
        --token my-token \\
        --label my-key \\
        --id 01 \\
        --pin 123456 \\
`)
    const tokens = await types("p11tool --list-tokens")
    const token = /URL: (pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=\w+;token=my-token)\n/.exec(
      tokens
    )?.[1]
    const keys = await types(`p11tool --login --set-pin=123456 --list-privkeys "${token}"`)
    expect(keys).toContain(`URL: ${token};id=%01;object=my-key;type=private`)

    // Step 2: tedge setup
    await types("tedge config set device.cryptoki.mode module")
    await types(`tedge config set device.cryptoki.module_path ${softhsmModule()}`)
    await types(`tedge config set device.key_uri "${token};id=%01;object=my-key;type=private"`)
    // The key file is no longer needed.
    await types(`rm -f "$(tedge config get device.key_path)"`)

    // Step 3: reconnect
    await types("tedge config set mqtt.bridge.built_in true")
    const said = await types("tedge reconnect c8y")
    expect(said).toContain("device id: guide-device")
    expect(said).toContain("cryptoki: true")
    expect(said).toContain("tedge config set device.cryptoki.pin <PIN>")
    expect(said).toContain("Verifying device is connected to cloud... ✓")
    expect(device.cloud.devices).toEqual(["guide-device"])

    // Key generation
    const made = await types("tedge cert create-key-hsm --type ecdsa --curve p256 --label my-key")
    expect(await types("tedge config get device.key_uri")).toBe(`${/Key URI: (\S+)\n/.exec(made)?.[1]}\n`)
  })
})

describe("the way by tedge alone", () => {
  const token = async () => {
    await device.types("tedge config set device.cryptoki.mode module")
    await device.types(`tedge config set device.cryptoki.module_path ${softhsmModule()}`)
    await device.types("tedge hsm init --label my-token", "12345678\n12345678\n123456\n123456\n")
    await device.types("tedge config set device.cryptoki.pin 123456")
    await device.types("tedge cert create-key-hsm --label my-key")
    await device.types("tedge config set mqtt.bridge.built_in true")
  }

  it("goes from an empty token over a self-signed certificate to a connected device", async () => {
    await token()
    await device.types("tedge cert create --device-id alone")
    const certificate = (await device.types("tedge config get device.cert_path")).trim()
    expect(existsSync((await device.types("tedge config get device.key_path")).trim())).toBe(false)
    // What `tedge cert upload c8y` does at a real tenant.
    await device.cloud.trustOnly(certificate)
    const said = await device.types("tedge connect c8y")
    expect(said).toContain("Verifying device is connected to cloud... ✓")
    expect(device.cloud.devices).toEqual(["alone"])
  })

  it("goes over the cloud's own CA, and renews directly there", async () => {
    const pki = testPki()
    const tenant: EstServer = await startEstServer(pki)
    tenant.state.registered.set("enrolled", "otp")
    tenant.state.withChain = true
    await token()
    const trusted = join(dir, "trusted.pem")
    await device.types(`cat '${pki.caFile}' '${device.cloud.caFile}' > '${trusted}'`)
    await device.types(`tedge config set c8y.root_cert_path '${trusted}'`)
    await device.types(`tedge config set c8y.http ${tenant.address}`)
    await device.types("tedge cert download c8y --device-id enrolled --one-time-password otp")
    await device.cloud.trustOnly(pki.caFile)
    await device.types("tedge connect c8y")
    expect(device.cloud.devices).toEqual(["enrolled"])
    // The fake cloud's token is made anew for each asker: accept whatever it gave.
    tenant.state.acceptsAnyToken = true
    const renewed = await device.types("tedge cert renew c8y")
    expect(renewed).toContain("Certificate renewed successfully")
    const certificate = (await device.types("tedge config get device.cert_path")).trim()
    const [present, waiting] = [certificate, `${certificate}.new`].map((path) => readFileSync(path, "utf8"))
    expect(await publicKeyOf(`${certificate}.new`)).toBe(await publicKeyOf(certificate))
    expect(waiting).not.toBe(present)
    await device.types("tedge reconnect c8y")
    expect([readFileSync(certificate, "utf8"), existsSync(`${certificate}.new`)]).toEqual([waiting, false])
    await tenant.close()
    pki.remove()
  })
})
