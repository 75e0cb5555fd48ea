/** The columns of the table: tokens that can be had without hardware. */
import { p11KitServer, trustModulePath } from "../support/token/p11-kit.ts"
import { scriptedModule } from "../support/token/scripted-module.ts"
import { softhsmDirectory } from "../support/token/softhsm.ts"
import { emptyTpm } from "../support/token/tpm.ts"
import { type TokenBench, tokenBench } from "./token-bench.ts"

export type TokenName = (typeof tokenNames)[number]

export const tokenNames = ["SoftHSM2", "TPM 2.0", "p11-kit remoting", "p11-kit trust"] as const

/** An empty token of each kind; the trust module comes with what the system trusts. */
export const startToken: Record<TokenName, () => Promise<TokenBench>> = {
  SoftHSM2: async () => tokenBench(softhsmDirectory()),
  "TPM 2.0": async () => tokenBench(await emptyTpm()),
  "p11-kit remoting": async () => {
    const softhsm = softhsmDirectory()
    const remoting = await p11KitServer(softhsm)
    const cleanup = async () => {
      await remoting.cleanup()
      softhsm.cleanup()
    }
    return tokenBench({ ...remoting, cleanup })
  },
  "p11-kit trust": async () => {
    const { modulePath, calls, cleanup } = scriptedModule(trustModulePath())
    return tokenBench({ modulePath, env: {}, logins: () => calls("C_Login"), cleanup }, "System Trust")
  }
}
