/**
 * Hints for a token that does not respond, or not as it should.
 *
 * The return code decides how it is handled; only the hint also depends on the module's output (OP-TEE's client
 * library: "TEEC init context failed" and the like; tpm2-tss on response codes TPM_RC_OBJECT_MEMORY to
 * TPM_RC_OBJECT_HANDLES: "tpm:warn(2.0): out of session handles").
 */
import type { TokenTimeout, TokenUnavailable } from "../token-refusals.ts"

/**
 * A card serves one program at a time (PC/SC transactions), and others block in their calls. A signature may also wait
 * for a touch.
 */
export const isHeldCard = ({ call, token, family }: TokenTimeout): boolean =>
  call !== "sign" && (family === "piv" || family === "smartCardHsm" || /opensc|ykcs11|sc-hsm/i.test(token))

/** Only a signature waits for a touch; other calls that do not return wait for another program. */
export const hintForTimeout = (failure: TokenTimeout): string => {
  const { call, token, detail } = failure
  if (isHeldCard(failure)) return holdersOfCards
  if (call === "sign") return "if the token waits for a touch, touch it; otherwise check its cable and reader"
  return /ckteec/i.test(`${token} ${detail}`)
    ? teeSupplicant
    : "the module waits for another program: one that holds the token, or a service that does not run (pcscd for cards; tee-supplicant for OP-TEE)"
}

/** Undefined: no specific hint. */
export const hintForUnavailable = ({ detail, family, code }: TokenUnavailable): string | undefined => {
  if (/TEEC init context failed/i.test(detail))
    return "OP-TEE's device cannot be opened: the user of the services must be in its group (ls -l /dev/tee0), and the kernel's driver loaded"
  if (/TEEC open session failed/i.test(detail))
    return `OP-TEE cannot load its PKCS#11 trusted application (fd02c9da-306c-48c7-a49c-bbd827ae86ee.ta): install it; ${teeSupplicant}`
  if (family === "opTee" && (code === "CKR_GENERAL_ERROR" || code === "CKR_DEVICE_MEMORY"))
    return "the memory of OP-TEE's trusted application is full, usually after about 20 key pairs: delete keys that are not needed (tedge hsm delete-key); where that fails too, reinitialise the token, or build the application with a larger CFG_PKCS11_TA_HEAP_SIZE"
  if (/tpm:warn\(2\.0\): out of /i.test(detail))
    return "the TPM is temporarily full: other programs hold its sessions or objects; use a resource manager (TPM2_PKCS11_TCTI=device:/dev/tpmrm0, or tpm2-abrmd); retried automatically"
  return undefined
}

export const hintForClosedDevice =
  "a service has no DeviceAllow for it: copy the drop-in of this kind of token from /usr/share/tedge-actors/drop-ins to /etc/systemd/system/<unit>.d, then: sudo systemctl daemon-reload, and restart the unit; in a container, pass the device through"

const holdersOfCards =
  "tedge resumes when the card is free: end the program that holds it, such as GnuPG's scdaemon (gpgconf --kill scdaemon) or a card tool that was left open; if there is none, restart pcscd"
const teeSupplicant = "check that tee-supplicant runs (systemctl status tee-supplicant)"
