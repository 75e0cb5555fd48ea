/** A key whose signatures are made in the event loop: pkcs11js as programs use it. P-256 only. */
import { createHash } from "node:crypto"
import { createRequire } from "node:module"

const pkcs11js = createRequire(import.meta.url)("pkcs11js")

export const synchronousSigner = ({ module, pin, publicKey }) => {
  const pkcs11 = new pkcs11js.PKCS11()
  pkcs11.load(module)
  pkcs11.C_Initialize()
  const [slot] = pkcs11.C_GetSlotList(true)
  const session = pkcs11.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION)
  pkcs11.C_Login(session, pkcs11js.CKU_USER, pin)
  pkcs11.C_FindObjectsInit(session, [{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY }])
  const [key] = pkcs11.C_FindObjects(session, 1)
  pkcs11.C_FindObjectsFinal(session)
  return {
    publicKey,
    sign: (_scheme, message) => {
      pkcs11.C_SignInit(session, { mechanism: pkcs11js.CKM_ECDSA }, key)
      const digest = createHash("sha256").update(message).digest()
      return derOf(pkcs11.C_Sign(session, digest, Buffer.alloc(64)))
    },
    close: () => pkcs11.C_Finalize()
  }
}

/** r and s side by side to Ecdsa-Sig-Value (RFC 3279, 2.2.3). */
const derOf = (raw) => {
  const integers = [raw.subarray(0, 32), raw.subarray(32)].map((bytes) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const digits = bytes.subarray(first)
    const content = digits[0] < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits])
    return Buffer.concat([Buffer.of(2, content.length), content])
  })
  const content = Buffer.concat(integers)
  return Buffer.concat([Buffer.of(0x30, content.length), content])
}
