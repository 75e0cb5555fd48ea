/** A TPM that is full for a moment, with a real one: a right PIN is not lost, and the device goes on by itself. */
import { afterEach, beforeEach, expect, it } from "vitest"
import { freshHost } from "../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type BareTpm, bareTpm } from "../support/token/bare-tpm.ts"
import { pkcs11Tool } from "../support/token/pkcs11-tool.ts"

let dir: string
let tpm: BareTpm
let device: InProcess

beforeEach(async () => {
  await freshHost()
  dir = makeTempDir()
  tpm = await bareTpm()
  device = tedgeInProcess(dir, { environment: tpm.env })
  device.settings(
    `[device]\nid = "tpm-device"\nkey_uri = "pkcs11:token=my-tpm"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${tpm.modulePath}"\npin = "123456"\n`
  )
  const { modulePath, env } = tpm
  const tool = (...args: ReadonlyArray<string>) => pkcs11Tool({ modulePath, env, where: [] }, ...args)
  tool("--slot", "1", "--init-token", "--label", "my-tpm", "--so-pin", "12345678")
  tool(
    ...["--token-label", "my-tpm", "--init-pin", "--login", "--login-type", "so"],
    ...["--so-pin", "12345678", "--new-pin", "123456"]
  )
  const made = await device.tedge(["hsm", "create-key", "--label", "my-key"])
  expect(made.code, made.stderr).toBe(0)
})
afterEach(async () => {
  await tpm.cleanup()
  removeTempDir(dir)
})

const request = () => device.tedge(["cert", "create-csr"])

/** TPM_RC_SESSION_MEMORY and TPM_RC_SESSION_HANDLES: TPM 2.0 Library, part 2, 6.6.3. */
const isFull = (code: number) => [0x903, 0x905].includes(code)

it("refuses while the TPM is full, says so, latches no PIN and works once there is room", async () => {
  expect((await request()).code).toBe(0)
  for (let round = 0; round < 2; round++) {
    expect(await tpm.fill()).toSatisfy(isFull)
    const refused = await request()
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("C_Login returned CKR_GENERAL_ERROR")])
    expect(refused.stderr).not.toMatch(/PIN is incorrect|plug it in/)
    if (round === 0) expect(refused.stderr).toContain("the TPM is temporarily full")
    await tpm.empty()
    await expect.poll(async () => (await request()).code, { timeout: 60_000 }).toBe(0)
  }
})
