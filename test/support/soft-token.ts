/** A SoftHSM2 token of its own. Shared with the demo. */
export { createSoftToken, type SoftToken, softhsmModule } from "../../scripts/lib/soft-token.mjs"
