/** Why a request of the parent was not done, as the parent is told. */
import { LoadFault } from "../../pkcs11/library-file.ts"
import { ModuleFault } from "../../pkcs11/pkcs11-module.ts"
import type { HostRefusal } from "../protocol.ts"

export const refusalOf = (error: unknown): HostRefusal => {
  if (error instanceof ModuleFault) return { kind: "code", call: error.call, code: error.code }
  if (error instanceof LoadFault) return { kind: "load", reason: error.reason, detail: error.message }
  return { kind: "defect", detail: error instanceof Error ? error.message : String(error) }
}
