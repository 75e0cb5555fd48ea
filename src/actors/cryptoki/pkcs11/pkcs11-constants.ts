/**
 * The numbers of PKCS#11 that we use, by their names in the standard.
 *
 * Source: OASIS PKCS #11 v2.40, header files. Pure: parent and token host share it without loading a library.
 */

export const CKF_HW_SLOT = 0x4
export const CKF_SERIAL_SESSION = 0x4
export const CKF_RW_SESSION = 0x2
export const CKF_OS_LOCKING_OK = 0x2

/** Token flags (CK_TOKEN_INFO). */
export const CKF_LOGIN_REQUIRED = 0x4
export const CKF_TOKEN_INITIALIZED = 0x400
export const CKF_USER_PIN_INITIALIZED = 0x8
export const CKF_USER_PIN_COUNT_LOW = 0x10000
export const CKF_USER_PIN_FINAL_TRY = 0x20000
export const CKF_USER_PIN_LOCKED = 0x40000
export const CKF_SO_PIN_COUNT_LOW = 0x100000
export const CKF_SO_PIN_FINAL_TRY = 0x200000
export const CKF_SO_PIN_LOCKED = 0x400000

export const CKU_SO = 0
export const CKU_USER = 1
export const CKU_CONTEXT_SPECIFIC = 2

export const CKO_CERTIFICATE = 1
export const CKO_PUBLIC_KEY = 2
export const CKO_PRIVATE_KEY = 3

export const CKK_RSA = 0
export const CKK_EC = 3

export const CKA_CLASS = 0x0
export const CKA_TOKEN = 0x1
export const CKA_PRIVATE = 0x2
export const CKA_LABEL = 0x3
export const CKA_VALUE = 0x11
export const CKA_KEY_TYPE = 0x100
export const CKA_ID = 0x102
export const CKA_SENSITIVE = 0x103
export const CKA_ENCRYPT = 0x104
export const CKA_DECRYPT = 0x105
export const CKA_WRAP = 0x106
export const CKA_UNWRAP = 0x107
export const CKA_SIGN = 0x108
export const CKA_SIGN_RECOVER = 0x109
export const CKA_VERIFY = 0x10a
export const CKA_VERIFY_RECOVER = 0x10b
export const CKA_DERIVE = 0x10c
export const CKA_MODULUS = 0x120
export const CKA_MODULUS_BITS = 0x121
export const CKA_PUBLIC_EXPONENT = 0x122
export const CKA_PUBLIC_KEY_INFO = 0x129
export const CKA_EXTRACTABLE = 0x162
export const CKA_EC_PARAMS = 0x180
export const CKA_EC_POINT = 0x181
export const CKA_ALWAYS_AUTHENTICATE = 0x202

export const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0
export const CKM_RSA_PKCS = 0x1
export const CKM_RSA_PKCS_PSS = 0xd
export const CKM_SHA256_RSA_PKCS_PSS = 0x43
export const CKM_SHA384_RSA_PKCS_PSS = 0x44
export const CKM_SHA512_RSA_PKCS_PSS = 0x45
export const CKM_SHA256 = 0x250
export const CKM_SHA384 = 0x260
export const CKM_SHA512 = 0x270
export const CKM_EC_KEY_PAIR_GEN = 0x1040
export const CKM_ECDSA = 0x1041

export const CKG_MGF1_SHA256 = 2
export const CKG_MGF1_SHA384 = 3
export const CKG_MGF1_SHA512 = 4

/** A token's label is exactly this many bytes, padded with spaces. */
export const labelLength = 32
