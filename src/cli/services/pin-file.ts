/**
 * Reads a PIN from a file: one line of text, without its line end.
 *
 * A systemd credential named `tedge-pin` is such a file. Source: systemd.exec(5), "Credentials".
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { bridgeService } from "../../messages/installation/bridge-service.ts"
import { PinFileUnusable } from "../../messages/p11-server.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { errorCode } from "../../platform/process/error-code.ts"

interface FilePin {
  readonly pin: Redacted.Redacted<string>
  /** The mode, if others than owner and group can read it: `644`. */
  readonly exposedMode: string | undefined
}

/** `unit`: the unit that got the file as a credential. */
export const readPinFile = (path: string, unit?: string): Effect.Effect<FilePin, PinFileUnusable> =>
  Effect.try({
    try: () => readBounded(path),
    catch: (error) =>
      new PinFileUnusable({
        path,
        unit,
        reason: "unreadable",
        code: errorCode(error) ?? ""
      })
  }).pipe(
    Effect.flatMap(({ bytes, mode }) => {
      const refuse = (reason: PinFileUnusable["reason"]) =>
        Effect.fail(new PinFileUnusable({ path, unit, reason, code: "" }))
      if (bytes.length > longestPin + 2) return refuse("tooLong")
      const text = lineOf(bytes)
      if (text === undefined) return refuse("notText")
      if (text === "") return refuse("empty")
      const exposedMode = (mode & 0o004) === 0 ? undefined : mode.toString(8)
      return Effect.succeed({ pin: Redacted.make(text), exposedMode })
    })
  )

/** Path of the service's credential, if systemd passed any; `isThere` is false if it is not among them. */
export const pinCredential = (
  environment: Readonly<NodeJS.ProcessEnv>
): { readonly path: string; readonly isThere: boolean } | undefined => {
  const directory = environment.CREDENTIALS_DIRECTORY
  if (directory === undefined || directory === "") return undefined
  const path = join(directory, "tedge-pin")
  return { path, isThere: existsSync(path) }
}

/** PKCS#11 leaves the length to the token; no token accepts more. */
const longestPin = 255

/** Opening a FIFO without a writer must not block. */
const readBounded = (path: string): { readonly bytes: Buffer; readonly mode: number } => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = fstatSync(file)
    if (!status.isFile()) throw Object.assign(new Error("no file"), { code: "no regular file" })
    const bytes = Buffer.alloc(longestPin + 3)
    return { bytes: bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0)), mode: status.mode & 0o777 }
  } finally {
    closeSync(file)
  }
}

const lineOf = (bytes: Uint8Array): string | undefined => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "")
    return /[\r\n\0]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/**
 * For a mapper that uses the token itself: an unusable or missing credential is refused, as another PIN must not be tried in
 * its place. A PIN of the environment has precedence over it.
 */
export const refuseUnusableCredential = (
  settings: CloudSettings,
  environment: Readonly<NodeJS.ProcessEnv> = process.env
): Effect.Effect<void, PinFileUnusable> => {
  const { mode, pin, pinSource } = settings.cryptoki
  const credential = pinCredential(environment)
  if (mode !== "module" || credential === undefined || pinSource?.kind === "variable") return Effect.void
  const { unit } = bridgeService(settings)
  const { path, isThere } = credential
  if (isThere) return Effect.asVoid(readPinFile(path, unit))
  const { key } = settings.cloud.device
  return pin === undefined && key.pin === undefined && key.uri?.pinValue === undefined
    ? Effect.fail(new PinFileUnusable({ path, unit, reason: "noCredential", code: "" }))
    : Effect.void
}
