/** A token that another program makes while we run. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { softhsmDirectory } from "../../../support/token/softhsm.ts"
import { by, isSignature, run, startModule } from "../module-kit.ts"

describe("a token that another program makes while CryptokiActor runs", () => {
  it("is found by the first request that names it, beside a token in use", () =>
    run(
      Effect.gen(function* () {
        const directory = yield* Effect.acquireRelease(Effect.sync(softhsmDirectory), ({ cleanup }) =>
          Effect.sync(cleanup)
        )
        directory.addToken({ label: "first" }).importKey()
        const { ref, sign } = yield* startModule(directory)
        yield* ref.ask("ListTokens", undefined, { within: "1 minute" })
        yield* sign(by("pkcs11:token=first"))
        const { publicKeyPem } = directory.addToken({ label: "later" }).importKey()
        expect(isSignature(yield* sign(by("pkcs11:token=later")), publicKeyPem)).toBe(true)
      })
    ))
})
