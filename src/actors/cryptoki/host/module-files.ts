/**
 * The files and device nodes that a PKCS#11 module opens, as far as its name and environment reveal them.
 *
 * Modules report a missing permission as a missing token, or as CKR_GENERAL_ERROR.
 * Sources: softhsm2.conf(5); tpm2-pkcs11, docs/INITIALIZING.md and docs/FAQ.md (TPM2_PKCS11_TCTI, TPM2_PKCS11_STORE);
 * OP-TEE documentation, "tee-supplicant" (/dev/tee0 is the clients' device).
 */
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { textIfReadable } from "../../../platform/files/read-file.ts"
import type { Access } from "../../../platform/users/user-access.ts"
import { isTpmModule } from "./tpm-store.ts"

export interface ModuleFile {
  readonly path: string
  readonly needs: Access
  /** One token of several, in its own directory. */
  readonly isToken: boolean
}

export const moduleFiles = (
  modulePath: string,
  environment: NodeJS.ProcessEnv,
  home: string
): ReadonlyArray<ModuleFile> => [file(modulePath, "r"), ...ofFamily(basename(modulePath), environment, home)]

/** Those of them that are device nodes. */
export const moduleDevices = (modulePath: string, environment: NodeJS.ProcessEnv): ReadonlyArray<string> =>
  ofFamily(basename(modulePath), environment, "/")
    .map(({ path }) => path)
    .filter((path) => path.startsWith("/dev/"))

const ofFamily = (name: string, environment: NodeJS.ProcessEnv, home: string): ReadonlyArray<ModuleFile> => {
  if (/softhsm/i.test(name)) return ofSoftHsm(environment.SOFTHSM2_CONF, home)
  if (isTpmModule(name)) return ofTpm(environment)
  return /ckteec/i.test(name) ? [file("/dev/tee0", "rw")] : []
}

const ofSoftHsm = (configured: string | undefined, home: string): ReadonlyArray<ModuleFile> => {
  const own = join(home, ".config/softhsm2/softhsm2.conf")
  const conf = configured || (textIfReadable(own) === undefined ? "/etc/softhsm/softhsm2.conf" : own)
  const tokens = /^\s*directories\.tokendir\s*=\s*(\S.*?)\s*$/m.exec(textIfReadable(conf) ?? "")?.[1]
  if (tokens === undefined) return [file(conf, "r")]
  const all = entriesOf(tokens).map((token) => join(tokens, token))
  return [
    file(conf, "r"),
    file(tokens, "rwx"),
    ...all.flatMap(
      (path): ReadonlyArray<ModuleFile> => [
        { path, needs: "rwx", isToken: true },
        // All files of a token are created with the same owner and mode.
        { path: join(path, "token.object"), needs: "rw", isToken: true }
      ]
    )
  ]
}

/** By the resource manager in the kernel; `tabrmd` and `mssim` have no file. */
const ofTpm = ({ TPM2_PKCS11_TCTI: tcti, TPM2_PKCS11_STORE: store }: NodeJS.ProcessEnv): ReadonlyArray<ModuleFile> => {
  const device =
    tcti === undefined ? "/dev/tpmrm0" : /^(?:device|libtss2-tcti-device\.so[.\d]*):(\/.*)$/.exec(tcti)?.[1]
  return [
    ...(device === undefined ? [] : [file(device, "rw")]),
    ...(store ? [file(store, "rwx"), file(join(store, "tpm2_pkcs11.sqlite3"), "rw")] : [])
  ]
}

const file = (path: string, needs: Access): ModuleFile => ({ path, needs, isToken: false })

const entriesOf = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}
