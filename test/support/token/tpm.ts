/** TPM tokens for tests, each in a directory of its own; they end with `cleanup`. See scripts/lib/device/tpm.mjs. */
import { startTpm, type Tpm } from "../../../scripts/lib/device/tpm.mjs"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"
import { type KeyMaker, keyMaker, pkcs11Tool } from "./pkcs11-tool.ts"

export interface TpmOptions {
  readonly label?: string
  readonly pin?: string
  readonly soPin?: string
}

export interface TpmToken extends KeyMaker, EmptyTpm {
  readonly label: string
  readonly pin: string
  readonly soPin: string
}

/** A TPM that runs and was never initialised: the module shows one empty slot. */
export interface EmptyTpm extends Omit<Tpm, "stop"> {
  readonly dir: string
  readonly cleanup: () => Promise<void>
}

/** A running TPM without a token. Throws, naming the program, when one is not installed. */
export const emptyTpm = async (): Promise<EmptyTpm> => {
  const dir = makeTempDir()
  const { stop, ...tpm } = await startTpm(dir).catch((error: unknown) => {
    removeTempDir(dir)
    throw error
  })
  const cleanup = async () => {
    await stop()
    removeTempDir(dir)
  }
  return { dir, ...tpm, cleanup }
}

/** A running TPM with an initialised token and no keys. Throws, naming the program, when one is not installed. */
export const tpmToken = async (options: TpmOptions = {}): Promise<TpmToken> => {
  const { label = "my-tpm", pin = "123456", soPin = "12345678" } = options
  const tpm = await emptyTpm()
  const { modulePath, env } = tpm
  try {
    pkcs11Tool({ modulePath, env, where: [] }, "--slot", "1", "--init-token", "--label", label, "--so-pin", soPin)
    const here = { modulePath, env, where: ["--token-label", label], pin }
    pkcs11Tool(here, "--init-pin", "--login", "--login-type", "so", "--so-pin", soPin, "--new-pin", pin)
    return { ...tpm, label, pin, soPin, ...keyMaker(here) }
  } catch (error) {
    await tpm.cleanup()
    throw error
  }
}
