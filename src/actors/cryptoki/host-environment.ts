/**
 * What a token host gets of our environment: an allow-list, and what the modules themselves read.
 *
 * Never a PIN, never what loads foreign code (`LD_PRELOAD`, `NODE_OPTIONS`), never what belongs to our own
 * service manager (`LISTEN_*`, `NOTIFY_SOCKET`).
 */

export const hostEnvironment = (from: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(from).filter((entry): entry is [string, string] => entry[1] !== undefined && allowed(entry[0]))
  )

const allowed = (name: string): boolean =>
  !/PIN$|PASSWORD|SECRET/i.test(name) && (names.includes(name) || prefixes.some((prefix) => name.startsWith(prefix)))

const names = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SOFTHSM2_CONF"]

/** tpm2-pkcs11 and its TSS, p11-kit, OpenSC, YubiKey; SCRIPTED_ and FAULTY_ steer the modules of the tests. */
const prefixes = [
  "LC_",
  "TPM2_PKCS11_",
  "TSS2_",
  "P11_KIT_",
  "PKCS11_",
  "OPENSC_",
  "YKCS11_",
  "PCSCLITE_",
  "SCRIPTED_",
  "FAULTY_"
]
