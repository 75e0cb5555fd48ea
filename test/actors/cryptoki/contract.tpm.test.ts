/** CryptokiActor keeps its promises on a TPM, which locks after three wrong PINs: each case has a TPM of its own. */
import { Effect } from "effect"
import { tpmToken } from "../../support/token/tpm.ts"
import { describeCryptoki } from "./contract.ts"
import { moduleMode } from "./contract-module.ts"

const tpm = Effect.acquireRelease(
  Effect.promise(async () => {
    const token = await tpmToken({ label: "my-token" })
    return { ...token, addKey: (label: string, id: string) => token.generateKey({ label, id }).publicKeyPem }
  }),
  (token) => Effect.promise(() => token.cleanup())
)

describeCryptoki({ name: "TPM", can: ["events"], start: Effect.flatMap(tpm, (token) => moduleMode(token)) })
