/**
 * The default token store of tpm2-pkcs11.
 *
 * The module looks in /etc/tpm2_pkcs11, then in the home of its user, which a service does not have. `hsm` in the
 * configuration directory, created by the packages, is used if neither exists.
 * Source: tpm2-pkcs11, docs/INITIALIZING.md, "Store".
 */
import { accessSync, constants, existsSync } from "node:fs"
import { basename, join } from "node:path"

/** The environment of the module. `isOther`: it is loaded by another user than the caller, with home directory `home`. */
export const withTpmStore = (
  environment: NodeJS.ProcessEnv,
  { modulePath, home, configDir, isOther }: { modulePath: string; home: string; configDir: string; isOther: boolean }
): NodeJS.ProcessEnv => {
  const store = join(configDir, "hsm")
  if (!isTpmModule(modulePath) || environment.TPM2_PKCS11_STORE) return environment
  if (existsSync("/etc/tpm2_pkcs11") || existsSync(join(home, ".tpm2_pkcs11"))) return environment
  return existsSync(store) && (isOther || isWritable(store))
    ? { ...environment, TPM2_PKCS11_STORE: store }
    : environment
}

export const isTpmModule = (modulePath: string): boolean => /tpm2[-_]pkcs11/i.test(basename(modulePath))

const isWritable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
