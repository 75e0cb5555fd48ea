/** `--csr-path`: an existing request, perhaps with its own subject. It must match the device's key. */
import { Effect } from "effect"
import { RequestUnusable } from "../../../messages/certificate.ts"
import { readGivenFile } from "../../../platform/files/read-file.ts"
import { errorCode } from "../../../platform/process/error-code.ts"
import { requestFacts } from "../../../platform/tls/x509.ts"
import type { CommandContext } from "../hsm/token-command.ts"
import { type CertSettings, presentKey } from "./cert-command.ts"

export const givenRequest = (context: CommandContext, of: CertSettings, path: string) =>
  Effect.gen(function* () {
    const request = yield* Effect.try({
      try: () => readGivenFile(path).toString("latin1"),
      catch: (cause) => refused(path, "unreadable", errorCode(cause) ?? "")
    })
    const facts = requestFacts(request)
    // A DER request is a SEQUENCE longer than 127 bytes.
    if (facts === undefined) return yield* refused(path, /^0[\x81-\x83]/.test(request) ? "der" : "notARequest")
    const key = yield* presentKey(context, of)
    if (Buffer.compare(facts.publicKey, key.publicKey) !== 0) return yield* refused(path, "otherKey")
    return { request: facts.pem, key, commonName: facts.commonName }
  })

const refused = (path: string, reason: RequestUnusable["reason"], detail = "") =>
  new RequestUnusable({ path, reason, detail })
