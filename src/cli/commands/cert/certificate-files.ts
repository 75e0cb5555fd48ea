/** Files of the certificate commands: replaced atomically, owned by the user of system.toml. */
import { accessSync, constants, lstatSync, readFileSync, readlinkSync, type Stats, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { Effect } from "effect"
import { readCertificateChain } from "../../../actors/mqtt/dial/credentials.ts"
import { FileExists } from "../../../messages/certificate.ts"
import { FileNotWritten } from "../../../messages/connect.ts"
import { logFileNotes, replaceFile } from "../../../platform/files/atomic-file.ts"
import type { Owner } from "../../../platform/files/file-calls.ts"
import { inPlace } from "../../../platform/files/file-place.ts"
import {
  createFile,
  isOwnOutput,
  makeDirectories,
  removeFile as removeEntry,
  writeToStream
} from "../../../platform/files/given-files.ts"
import { errorCode } from "../../../platform/process/error-code.ts"
import { holdsCertificate, holdsPrivateKey } from "../../../platform/tls/pem-blocks.ts"
import { ownerIn } from "../../../platform/users/file-owner.ts"

/**
 * The device's certificate in a file, and the chain to send to peers that look at the first one: certificates only, since
 * the file may also contain the private key.
 */
export const readCertificate = (path: string) =>
  Effect.map(readCertificateChain(path), ({ certificates, device }) => ({
    device,
    text: (device === certificates[0] ? certificates : [device]).map(String).join("")
  }))

/** As `replaceText`, owned by the user of system.toml, in a directory that is created if missing. */
export const writeText = (
  configDir: string,
  path: string,
  content: string
): Effect.Effect<void, FileExists | FileNotWritten> =>
  Effect.suspend((): Effect.Effect<void, FileExists | FileNotWritten> => {
    const text = textAt(path)
    if (holdsPrivateKey(text)) return Effect.fail(new FileExists({ path, role: "key" }))
    if (isStream(path) || targetAt(path)?.isDirectory()) return replaceText(path, content)
    const owner = ownerIn(configDir)
    // The path may come from settings that the services' user writes: root must not lose a file by it.
    const isForeign = owner !== undefined && targetAt(path)?.uid !== owner.uid
    if (isForeign && text !== "" && !text.includes("-----BEGIN "))
      return Effect.fail(new FileExists({ path, role: "other" }))
    return Effect.andThen(makeDirectory(configDir, path), replaceText(path, content, { owner, givenWithin: configDir }))
  })

/** Replaces the file, world-readable. A file that is not regular (`/dev/stdout`, a pipe) is written to instead. */
export const replaceText = (
  path: string,
  content: string,
  given: { readonly owner?: Owner | undefined; readonly givenWithin?: string } = {}
): Effect.Effect<void, FileNotWritten> =>
  Effect.suspend(() => {
    if (targetAt(path)?.isDirectory()) return Effect.fail(new FileNotWritten({ path, code: "EISDIR" }))
    if (isStream(path)) return attempt(path, () => writeToStream(path, content))
    return replaceFile({ path, content, mode: 0o644, ...given }).pipe(
      Effect.mapError(({ code }) => new FileNotWritten({ path, code }))
    )
  })

/** Fails, before anything is created, if the file cannot be written or would overwrite one that must be kept. */
export const refuseUnwritable = (path: string): Effect.Effect<void, FileNotWritten | FileExists> =>
  Effect.andThen(
    refuseToReplaceIdentity(path),
    attempt(path, () => {
      const present = targetAt(path)
      if (present?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" })
      if (present !== undefined) accessSync(path, constants.W_OK)
      if (isStream(path)) return
      if (!statSync(dirname(path)).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" })
      accessSync(dirname(path), constants.W_OK)
    })
  )

/** Our own output may be a file: written in place, not replaced. */
const isStream = (path: string): boolean => {
  if (isOwnOutput(path)) return true
  const present = targetAt(path)
  return present !== undefined && !present.isFile() && !present.isDirectory()
}

/** Creates a private key file, readable only by its owner. Fails if the file exists. */
export const writeNewKey = (
  configDir: string,
  path: string,
  pem: string
): Effect.Effect<void, FileExists | FileNotWritten> =>
  Effect.gen(function* () {
    yield* makeDirectory(configDir, path)
    const key = { content: pem, mode: 0o400, owner: ownerIn(configDir), givenWithin: configDir }
    const notes = yield* Effect.mapError(
      attempt(path, () => createFile(path, key)),
      (failure) => (failure.code === "EEXIST" ? new FileExists({ path, role: "key" }) : failure)
    )
    yield* logFileNotes(path, notes)
  })

/** Refuses a path at which a certificate or key would be overwritten. */
export const refuseToReplaceIdentity = (path: string): Effect.Effect<void, FileExists> =>
  Effect.suspend(() => {
    const text = textAt(path)
    if (holdsPrivateKey(text)) return Effect.fail(new FileExists({ path, role: "key" }))
    return holdsCertificate(text) ? Effect.fail(new FileExists({ path, role: "certificate" })) : Effect.void
  })

/** Returns whether the file existed. */
export const removeFile = (path: string): Effect.Effect<boolean, FileNotWritten> =>
  Effect.suspend(() => {
    const present = entryAt(path)
    if (present === undefined) return Effect.succeed(false)
    if (present.isDirectory()) return Effect.fail(new FileNotWritten({ path, code: "EISDIR" }))
    return Effect.as(
      attempt(path, () => removeEntry(path)),
      true
    )
  })

/** Whether two paths name the same file: by symlinks, hard links or, before it exists, by their directories. */
export const isSameFile = (one: string, other: string): boolean => {
  const [first, second] = [targetAt(one), targetAt(other)]
  if (first !== undefined && second !== undefined) return first.dev === second.dev && first.ino === second.ino
  return placeOf(one, maxLinks) === placeOf(other, maxLinks)
}

/** The path to write to: all symlinks resolved, also a dangling one. */
const placeOf = (path: string, links: number): string => {
  const whole = resolve(path)
  const target = linkAt(whole)
  if (target !== undefined && links > 0) return placeOf(resolve(dirname(whole), target), links - 1)
  const above = dirname(whole)
  return above === whole ? whole : join(placeOf(above, links), basename(whole))
}

/** As Linux, which reports ELOOP beyond. */
const maxLinks = 40

const linkAt = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined // not a symlink, or missing
  }
}

/** Something exists at the path. */
export const isTaken = (path: string): boolean => entryAt(path) !== undefined

/** Undefined: missing; other errors are reported when it is written. */
const entryAt = (path: string): Stats | undefined => {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

/** The target that would be written: behind a symlink that is followed. One that is not followed is replaced. */
const targetAt = (path: string): Stats | undefined => {
  try {
    return inPlace(path, ({ present }) => present)
  } catch {
    return undefined
  }
}

/** Of the same target. A file that is not regular contains nothing to lose. */
const textAt = (path: string): string => {
  try {
    return inPlace(path, (place) => (place.present?.isFile() ? readFileSync(place.at(place.name), "latin1") : ""))
  } catch {
    return "" // missing or unreadable: writing reports it
  }
}

const makeDirectory = (configDir: string, path: string) =>
  attempt(path, () => makeDirectories(dirname(path), { owner: ownerIn(configDir), givenWithin: configDir }))

const attempt = <A>(path: string, write: () => A): Effect.Effect<A, FileNotWritten> =>
  Effect.try({ try: write, catch: (cause) => new FileNotWritten({ path, code: errorCode(cause) ?? "unknown" }) })
