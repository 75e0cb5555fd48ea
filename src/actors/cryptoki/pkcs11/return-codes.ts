/**
 * The class of a PKCS#11 return code: decided by the number alone, never by a text.
 *
 * request    the call was wrong for this token; the session remains valid
 * pin        the PIN was refused, or is locked
 * session    the session, its login or a handle is gone; a new session suffices
 * device     token or module is broken or gone; only a new token host helps
 * template   the token requires other attributes
 * mechanism  the token does not support this mechanism
 * Source: PKCS #11 v2.40, 5.1; thin-edge PR #4353 (codes after which only a new module helps).
 */

type FaultClass = "request" | "pin" | "session" | "device" | "template" | "mechanism"

export const faultClass = (code: number): FaultClass => returnCodes[code]?.[1] ?? "device"

/** The code's name in the standard; unknown and vendor codes as a hex number. */
export const codeName = (code: number): string =>
  returnCodes[code]?.[0] ?? `0x${(code >>> 0).toString(16).padStart(8, "0")}`

/** Every code of the standard that a call of ours can return. An unknown one is a fault of the device. */
export const returnCodes: { readonly [code: number]: readonly [name: string, of: FaultClass] } = {
  1: ["CKR_CANCEL", "request"],
  2: ["CKR_HOST_MEMORY", "device"],
  3: ["CKR_SLOT_ID_INVALID", "device"],
  5: ["CKR_GENERAL_ERROR", "device"],
  6: ["CKR_FUNCTION_FAILED", "device"],
  7: ["CKR_ARGUMENTS_BAD", "request"],
  8: ["CKR_NO_EVENT", "request"],
  9: ["CKR_NEED_TO_CREATE_THREADS", "device"],
  10: ["CKR_CANT_LOCK", "device"],
  16: ["CKR_ATTRIBUTE_READ_ONLY", "template"],
  17: ["CKR_ATTRIBUTE_SENSITIVE", "request"],
  18: ["CKR_ATTRIBUTE_TYPE_INVALID", "template"],
  19: ["CKR_ATTRIBUTE_VALUE_INVALID", "template"],
  27: ["CKR_ACTION_PROHIBITED", "request"],
  32: ["CKR_DATA_INVALID", "request"],
  33: ["CKR_DATA_LEN_RANGE", "request"],
  48: ["CKR_DEVICE_ERROR", "device"],
  49: ["CKR_DEVICE_MEMORY", "device"],
  50: ["CKR_DEVICE_REMOVED", "device"],
  64: ["CKR_ENCRYPTED_DATA_INVALID", "request"],
  80: ["CKR_FUNCTION_CANCELED", "request"],
  81: ["CKR_FUNCTION_NOT_PARALLEL", "request"],
  84: ["CKR_FUNCTION_NOT_SUPPORTED", "mechanism"],
  96: ["CKR_KEY_HANDLE_INVALID", "session"],
  98: ["CKR_KEY_SIZE_RANGE", "request"],
  99: ["CKR_KEY_TYPE_INCONSISTENT", "request"],
  104: ["CKR_KEY_FUNCTION_NOT_PERMITTED", "request"],
  112: ["CKR_MECHANISM_INVALID", "mechanism"],
  113: ["CKR_MECHANISM_PARAM_INVALID", "mechanism"],
  130: ["CKR_OBJECT_HANDLE_INVALID", "session"],
  144: ["CKR_OPERATION_ACTIVE", "session"],
  145: ["CKR_OPERATION_NOT_INITIALIZED", "session"],
  160: ["CKR_PIN_INCORRECT", "pin"],
  161: ["CKR_PIN_INVALID", "pin"],
  162: ["CKR_PIN_LEN_RANGE", "pin"],
  163: ["CKR_PIN_EXPIRED", "pin"],
  164: ["CKR_PIN_LOCKED", "pin"],
  176: ["CKR_SESSION_CLOSED", "session"],
  177: ["CKR_SESSION_COUNT", "session"],
  179: ["CKR_SESSION_HANDLE_INVALID", "session"],
  180: ["CKR_SESSION_PARALLEL_NOT_SUPPORTED", "request"],
  181: ["CKR_SESSION_READ_ONLY", "request"],
  182: ["CKR_SESSION_EXISTS", "session"],
  183: ["CKR_SESSION_READ_ONLY_EXISTS", "session"],
  184: ["CKR_SESSION_READ_WRITE_SO_EXISTS", "session"],
  208: ["CKR_TEMPLATE_INCOMPLETE", "template"],
  209: ["CKR_TEMPLATE_INCONSISTENT", "template"],
  224: ["CKR_TOKEN_NOT_PRESENT", "device"],
  225: ["CKR_TOKEN_NOT_RECOGNIZED", "device"],
  226: ["CKR_TOKEN_WRITE_PROTECTED", "request"],
  256: ["CKR_USER_ALREADY_LOGGED_IN", "session"],
  257: ["CKR_USER_NOT_LOGGED_IN", "session"],
  258: ["CKR_USER_PIN_NOT_INITIALIZED", "request"],
  259: ["CKR_USER_TYPE_INVALID", "request"],
  260: ["CKR_USER_ANOTHER_ALREADY_LOGGED_IN", "session"],
  261: ["CKR_USER_TOO_MANY_TYPES", "session"],
  288: ["CKR_RANDOM_SEED_NOT_SUPPORTED", "request"],
  289: ["CKR_RANDOM_NO_RNG", "request"],
  304: ["CKR_DOMAIN_PARAMS_INVALID", "template"],
  320: ["CKR_CURVE_NOT_SUPPORTED", "mechanism"],
  336: ["CKR_BUFFER_TOO_SMALL", "session"],
  400: ["CKR_CRYPTOKI_NOT_INITIALIZED", "device"],
  401: ["CKR_CRYPTOKI_ALREADY_INITIALIZED", "device"],
  416: ["CKR_MUTEX_BAD", "device"],
  417: ["CKR_MUTEX_NOT_LOCKED", "device"],
  512: ["CKR_FUNCTION_REJECTED", "request"]
}

export const CKR_GENERAL_ERROR = 5
export const CKR_FUNCTION_FAILED = 6
export const CKR_DEVICE_ERROR = 48
export const CKR_DEVICE_REMOVED = 50
export const CKR_FUNCTION_NOT_SUPPORTED = 84
export const CKR_PIN_INCORRECT = 160
export const CKR_PIN_INVALID = 161
export const CKR_PIN_LEN_RANGE = 162
export const CKR_PIN_EXPIRED = 163
export const CKR_PIN_LOCKED = 164
export const CKR_SESSION_CLOSED = 176
export const CKR_SESSION_COUNT = 177
export const CKR_SESSION_HANDLE_INVALID = 179
export const CKR_SESSION_READ_ONLY = 181
export const CKR_TOKEN_NOT_PRESENT = 224
export const CKR_TOKEN_WRITE_PROTECTED = 226
export const CKR_USER_ALREADY_LOGGED_IN = 256
export const CKR_USER_PIN_NOT_INITIALIZED = 258
export const CKR_CRYPTOKI_NOT_INITIALIZED = 400
