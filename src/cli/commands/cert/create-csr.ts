/** `tedge cert create-csr`: a certification request, signed once with the device's key. */
import { Effect } from "effect"
import { RequestUnusable } from "../../../messages/certificate.ts"
import { explain } from "../../../messages/explain.ts"
import { readGivenFile } from "../../../platform/files/read-file.ts"
import { errorCode } from "../../../platform/process/error-code.ts"
import { certificationRequest, requestFacts } from "../../../platform/tls/x509.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import type { CommandContext, TokenCommand } from "../hsm/token-command.ts"
import {
  type CertSettings,
  certify,
  keyForRequest,
  presentKey,
  readCertSettings,
  subjectFor,
  type Written,
  writeCertificate
} from "./cert-command.ts"
import { refuseToReplaceIdentity } from "./certificate-files.ts"

export const createCsr: TokenCommand = (context) =>
  Effect.gen(function* () {
    const of = yield* readCertSettings(context)
    const given = context.input.text("output-path")
    const path = given ?? of.device.csrPath
    const name = given === undefined ? `${of.prefix}csr_path` : "--output-path"
    yield* refuseToReplaceIdentity(path)
    const { request } = yield* newRequest(context, of, { path, name })
    yield* writeCertificate(of, path, request)
    yield* context.terminal.line("Certificate Signing Request was successfully created.")
    yield* context.terminal.answer(`${path}\n`)
    return exitCodes.ok
  })

/**
 * Saves the request at `device.csr_path` before it is sent. If that fails, a warning is logged and enrolment continues: the
 * certificate matters more.
 */
export const keepRequest = (context: CommandContext, of: CertSettings, request: string) => {
  const path = of.device.csrPath
  return Effect.andThen(refuseToReplaceIdentity(path), writeCertificate(of, path, request)).pipe(
    Effect.catch((failure) => context.terminal.warning(`the request was not saved: ${explain(failure).error}`))
  )
}

/** PEM request for the device's identity and key. `written`: the command's own output path. */
export const newRequest = (context: CommandContext, of: CertSettings, written: Written) =>
  Effect.gen(function* () {
    const subject = yield* subjectFor(context, of)
    const key = yield* keyForRequest(context, of, written)
    const request = yield* certify(context, key, certificationRequest(subject, key.publicKey, key.scheme))
    return { request, key, subject }
  })

/** `--csr-path`: an existing request, perhaps with its own subject. It must match the device's key. */
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
