/**
 * A TPM with a P-256 key. All of it lives in one directory and ends with `stop`.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { startTpm } from "../../scripts/lib/device/tpm.mjs"

export const startTpmToken = async ({ dir, label, pin, keyLabel }) => {
  mkdirSync(dir, { recursive: true })
  const { modulePath, env, stop } = await startTpm(dir)
  const tool = (...args) =>
    execFileSync("pkcs11-tool", ["--module", modulePath, ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
  try {
    const asSo = ["--so-pin", soPin]
    tool("--slot", "1", "--init-token", "--label", label, ...asSo)
    tool("--token-label", label, "--init-pin", "--login", "--login-type", "so", ...asSo, "--new-pin", pin)
    const key = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", keyLabel]
    tool("--token-label", label, "--login", "--pin", pin, ...key)
    return { modulePath, env, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const soPin = "12345678"
