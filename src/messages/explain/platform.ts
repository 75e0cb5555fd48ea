/** Sentences for what the machine lacks, or another process holds. */
import { AddonNotLoaded, type ClosedToUser, type FileNote, type PlatformRefusal } from "../platform.ts"
import { type Explanation, inBrackets, quoted, type Sentences, sentenceIn, shellQuoted } from "./explanation.ts"

const addonPurpose = {
  tls: "TLS with a key in a token",
  unix: "locks, peer credentials and service notification"
} as const

export const explainPlatform = (failure: PlatformRefusal): Explanation => sentenceIn(platformSentences, failure)

export const platformSentences = {
  AddonNotLoaded: (failure) => ({
    error: `the native add-on for ${addonPurpose[failure.addon]} is missing${inBrackets(failure.reason)}`,
    hint: "install a C compiler and Node's headers (on Debian: apt-get install gcc libc6-dev libnode-dev), then: npm run build"
  }),
  SystemFileInvalid: (failure) => {
    if (failure.problem === "untrusted")
      return {
        error: `root does not use '${failure.path}': ${quoted(failure.detail)} can write it, and it decides what root runs`,
        hint: `sudo chown root:root '${failure.path}' && sudo chmod 644 '${failure.path}'`
      }
    return {
      error: `Syntax error in the system config file: ${quoted(failure.detail)}`,
      hint: `Check '${failure.path}' file`
    }
  },
  ServiceUserUnknown: (failure) => ({
    error: `the ${failure.what} '${failure.name}' named in '${failure.path}' does not exist`,
    hint: `${failure.what === "user" ? "sudo useradd --system --no-create-home --shell /usr/sbin/nologin" : "sudo groupadd --system"} ${failure.name}`
  }),
  LockHeld: (failure) => ({
    error: `'${failure.path}' is locked by another instance${failure.pid === undefined ? "" : ` (process ${failure.pid})`}`,
    hint: failure.pid === undefined ? "stop it first" : `stop it first: kill ${failure.pid}`
  }),
  LockUnavailable: (failure) => {
    if (failure.code === "addon") return explainPlatform(new AddonNotLoaded({ addon: "unix", reason: failure.detail }))
    if (failure.code === "owner")
      return {
        error: `'${failure.path}' cannot be used as a lock: user '${failure.detail}' created it first and could hold it indefinitely`,
        hint: `remove it: sudo rm '${failure.path}'; to prevent it, use a directory where only the services' user can write: tedge config set run.path /run/tedge`
      }
    return {
      error: `'${failure.path}' cannot be locked: ${failure.code}${inBrackets(failure.detail)}`,
      hint: "check that its directory exists and that this user may write there"
    }
  }
} satisfies Sentences<PlatformRefusal>

export const explainFileNote = (path: string, note: FileNote): string => {
  switch (note.kind) {
    case "linkReplaced":
      return `'${quoted(path)}' was a link to '${quoted(note.target)}' created by user ${note.uid}, who does not own that file: the link was replaced, its target is unchanged`
    case "writtenInPlace":
      return `'${quoted(path)}' is a mount point and cannot be replaced atomically: it is written in place, and a power failure meanwhile may corrupt it`
    case "modeNotKept":
      return `'${quoted(path)}' holds a secret, and its file system does not support permissions: others can read it (mode ${note.mode.toString(8)}); mount it with umask=0077`
    case "closedToServices":
      return note.needs === "x"
        ? `the services' user '${note.user}' may not read '${quoted(path)}': '${quoted(note.closed)}' is closed to it; sudo chmod o+x '${quoted(note.closed)}'`
        : `the services' user '${note.user}' may not read '${quoted(path)}'; sudo ${note.isPublic ? "chmod o+rX" : `chown ${note.user}`} '${quoted(note.closed)}'`
    case "notGiven":
      return `'${quoted(path)}' is not given to the services' user: ${notGivenWords[note.reason]}; if it is to be: sudo chown ${note.owner} '${quoted(path)}'`
  }
}

export const explainClosed = (file: ClosedToUser): Explanation => {
  const { user, who, path, closed, needs, group, isMember } = file
  const verb = { r: "read", x: "pass", rw: "read and write", rwx: "read and change" }[needs]
  const subject = who === "services" ? `the services' user '${user}'` : `this user, '${quoted(user)}',`
  const start = `${subject} may not ${closed === path ? verb : "reach"} '${quoted(path)}'`
  const where = closed === path ? "" : `: '${quoted(closed)}' is closed to it`
  if (group === undefined) return { error: `${start}${where}`, hint: openedBy(file) }
  if (isMember)
    return { error: `${start}: it was added to the group '${group}' after this session began`, hint: "log in again" }
  return {
    error: `${start}${where}: it is not in the group '${group}'`,
    hint: `sudo usermod -aG ${group} ${shellQuoted(user)}, then ${who === "services" ? "restart the services" : "log in again"}`
  }
}

/** The configuration of a cloned image, or of a device with replaced hardware. */
export const explainOtherMachine = (configDir: string): Explanation => ({
  error: `'${quoted(configDir)}' was connected on another machine: two devices with one device id and key disconnect each other`,
  hint: "for a copy: an id and a key of its own (tedge hsm create-key, tedge cert create); for replaced hardware: tedge reconnect"
})

/** `isService`: the services' user, for whom the package has a rule. */
export const explainPcscdRefuses = (user: string, isService: boolean): Explanation => ({
  error: `pcscd refuses ${isService ? `the services' user '${user}'` : `this user, '${quoted(user)}'`}, so no card is seen: polkit has no rule for a user without a login session`,
  hint: isService
    ? `install the rule /usr/share/polkit-1/rules.d/tedge-actors.rules (from packaging/polkit-1)${user === "tedge" ? "" : `, with '${quoted(user)}' for tedge in it`}, then: sudo systemctl restart polkit`
    : "run the command as root: it then asks as the services' user"
})

const openedBy = ({ user, closed, needs, isToken }: ClosedToUser): string => {
  if (closed.startsWith("/dev/"))
    return `udev gives device nodes their group: install its rule (of a TPM on Debian: the package tpm-udev); this once: sudo chown ${shellQuoted(user)} ${shellQuoted(closed)}`
  if (isToken) return `sudo chown -R ${shellQuoted(user)}: ${shellQuoted(closed)}`
  if (needs === "x") return `sudo chmod o+x ${shellQuoted(closed)}`
  return needs === "r"
    ? `sudo chmod o+r ${shellQuoted(closed)}`
    : `sudo chown ${shellQuoted(user)} ${shellQuoted(closed)}`
}

const notGivenWords = {
  directory: "its directory is neither that user's nor the configuration's",
  otherNames: "it has hard links, which may be anywhere",
  noFile: "it is not a regular file",
  content: "it holds neither a certificate nor a private key"
} as const
