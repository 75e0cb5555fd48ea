/**
 * Kinds of token whose PINs and keys are the affair of a tool of their maker, or which have limits worth a sentence.
 *
 * Recognised by what C_GetTokenInfo says: OpenSC names the SmartCard-HSM's maker (CardContact; NitroKey HSM 2) and the
 * PIV applet (`piv_II`), YKCS11 names Yubico, OP-TEE's PKCS#11 trusted application names itself.
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
