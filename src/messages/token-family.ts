/**
 * Kinds of token that need their vendor's tool for PINs or keys, or have limits that users must know.
 *
 * Recognised from C_GetTokenInfo: OpenSC reports the SmartCard-HSM's vendor (CardContact; NitroKey HSM 2) and the
 * PIV applet (`piv_II`), YKCS11 reports Yubico, OP-TEE's PKCS#11 trusted application its own name.
 */

export type TokenFamily = "smartCardHsm" | "piv" | "opTee" | "other"

export const tokenFamily = ({
  manufacturer,
  model
}: {
  readonly manufacturer: string
  readonly model: string
}): TokenFamily => {
  if (/CardContact/i.test(manufacturer)) return "smartCardHsm"
  if (/^piv_II\b|^Yubico\b/i.test(manufacturer) && !/YubiHSM/i.test(model)) return "piv"
  return model === "OP-TEE TA" ? "opTee" : "other"
}
