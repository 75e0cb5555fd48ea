/**
 * Known deviations of single modules that need special handling. Recognised by what the library reports about itself.
 */
import { tokenFamily } from "../../../messages/token-family.ts"
import type { Token } from "./token-facts.ts"
import type { LibraryFacts, TokenInfo } from "./values.ts"

interface Quirks {
  /** Two processes cannot use the module at once, so all its tokens share one host. */
  readonly sharedModule: boolean
  /** A token is a few files, which another process may be writing while they are read; no reader can hang. */
  readonly isFiles: boolean
  /**
   * It sets the permitted uses of a new key itself; a template that denies one of them costs a key in the TPM and ends in
   * CKR_GENERAL_ERROR. tpm2-pkcs11 allows signing and decryption.
   */
  readonly choosesKeyUses: boolean
}

/** SoftHSM2 truncates a token's file before it rewrites it, at each login: a missing object may exist a moment later. */
export const writtenWithinMs = 200

export const quirksOf = (library: LibraryFacts, environment: NodeJS.ProcessEnv): Quirks => ({
  sharedModule: isTpm(library) && !hasResourceManager(environment),
  isFiles: /softhsm/i.test(library.manufacturer),
  choosesKeyUses: isTpm(library)
})

/**
 * Whether tokens of the module set CKF_USER_PIN_COUNT_LOW for each wrong PIN they count. tpm2-pkcs11 does not.
 * Source: OpenSC (framework-pkcs15.c), OP-TEE (pkcs11_token.c), opencryptoki (login functions).
 */
export const showsPinFlags = ({ facts, library }: Token): boolean =>
  tokenFamily(facts) === "opTee" || /opensc|opencryptoki/i.test(`${library.manufacturer} ${library.description}`)

/**
 * Its module shows the tokens that it found when it was loaded: only a new host sees those that another process created
 * since. Source: SlotManager.cpp of SoftHSM2, db.c of tpm2-pkcs11 (both read in C_Initialize), Kryoptic's storage.
 */
export const readsTokensOnce = ({ facts, library }: Token): boolean =>
  isTpm(library) || /softhsm|kryoptic/i.test(facts.manufacturer)

/**
 * Whether its tokens are cards or sticks behind PC/SC: one program at a time uses one, and others block in
 * their calls. By the library's own description: OpenSC, YKCS11, sc-hsm-embedded.
 */
export const isCard = (library: LibraryFacts, token?: Pick<TokenInfo, "manufacturer">): boolean =>
  /opensc|yubico|cardcontact|smart ?card|\bpiv/i.test(
    `${library.manufacturer} ${library.description} ${token?.manufacturer ?? ""}`
  )

const isTpm = ({ manufacturer, description }: LibraryFacts): boolean =>
  /tpm2-pkcs11|tpm2-software|tpm2\.0/i.test(`${manufacturer} ${description}`)

/** A TPM holds three objects; without a resource manager a second process finds no room. */
const hasResourceManager = ({ TPM2_PKCS11_TCTI: tcti = "" }: NodeJS.ProcessEnv): boolean =>
  /^tabrmd|\/dev\/tpmrm/.test(tcti)
