/** Sentences and log lines of the signing service. */
import {
  accessRuleHeader,
  allOperations,
  type Client,
  changingOperations,
  everybodysOperations,
  type ListenFailed,
  type OperationNotAllowed,
  type P11ServerEvent,
  type RequestNotUsable,
  requestMs,
  type ServerStartRefusal,
  type SettingsUnread
} from "../p11-server.ts"
import type { LogText } from "./cryptoki-event.ts"
import { type Explanation, inBrackets, quoted, seconds } from "./explanation.ts"

const explainListen = ({ path, reason, detail }: ListenFailed): Explanation => {
  const at = `at '${path}'`
  switch (reason) {
    case "inUse":
      return {
        error: `Another instance is already listening on the socket ${at}${detail === "" ? "" : ` (process ${detail})`}`
      }
    case "notASocket":
      return {
        error: `cannot listen ${at}: a ${detail} with this name exists`,
        hint: "choose another place: --socket-path"
      }
    case "noPermission":
      return {
        error: `cannot listen ${at}: this user may not create it`,
        hint: "choose another place: --socket-path, or run it as the user of the directory"
      }
    case "readOnly":
      return { error: `cannot listen ${at}: the file system is read-only`, hint: "choose another place: --socket-path" }
    case "noDirectory":
      return {
        error: `cannot listen ${at}: its directory cannot be created`,
        hint: "choose another place: --socket-path"
      }
    case "tooLong":
      return { error: `cannot listen ${at}: the path has ${detail} bytes; the maximum is 107`, hint: "--socket-path" }
    case "lock":
      return { error: `Failed to acquire socket lock at '${path}.lock'${inBrackets(detail)}` }
    case "badDescriptor":
      return { error: `the socket passed by systemd is not a listening UNIX socket (${path})${inBrackets(detail)}` }
    case "other":
      return { error: `cannot listen ${at}${inBrackets(detail)}` }
  }
}

/** Why the service does not start. */
export const explainServerStart = (failure: ServerStartRefusal): Explanation => {
  switch (failure._tag) {
    case "ListenFailed":
      return explainListen(failure)
    case "RuleInvalid":
      return {
        error: `rule ${failure.number} under p11_server.rules in '${failure.path}' cannot be used: ${ruleProblems[failure.problem]}${inBrackets(failure.found)}`
      }
    case "GroupUnknown":
      return { error: `there is no group '${failure.name}' for the socket`, hint: "check: p11_server.socket_group" }
    case "PinFileUnusable":
      return {
        error: `the PIN cannot be read from '${failure.path}': ${pinFileProblems[failure.reason]}${inBrackets(failure.code)}`,
        hint:
          failure.unit === undefined
            ? "check: p11_server.pin_file"
            : `check LoadCredential or LoadCredentialEncrypted of the unit, and the file it names; then: systemctl restart ${failure.unit}`
      }
    case "ConfigFileGone":
      return {
        error: `${failure.path} is gone; nothing was changed`,
        hint: "restore it (an empty file resets everything), or restart the service without it"
      }
  }
}

const ruleProblems = {
  noTable: "it is not a table",
  who: "it must name exactly one of user, uid, group and gid",
  unknownName: "there is no such user or group on this machine",
  operations: `operations is a list of ${allOperations.join(", ")}`,
  uri: "uri is not a valid PKCS#11 URI",
  unknownKey: "it has an unknown key"
} as const

const pinFileProblems = {
  unreadable: "this user cannot read it",
  empty: "it is empty",
  tooLong: "it is longer than a PIN",
  notText: "it is not one line of UTF-8 text",
  noCredential: "the unit has no such credential"
} as const

/**
 * Names the rule that would allow the request, ready to paste, and nothing beyond. A second rule for a client would be
 * ignored, so the one that applies is the one to change.
 */
export const explainNotAllowed = ({ operation, uid, rule }: OperationNotAllowed): string => {
  const refused = `user ${uid ?? "unknown"} may not do this (${operation});`
  if (rule !== undefined)
    return `${refused} add "${operation}" to the operations of its rule (rule ${rule} of p11_server.rules)`
  const allowed = [...everybodysOperations.filter((one) => one !== operation), operation].map((one) => `"${one}"`)
  return `${refused} a rule in tedge.toml can allow it:\n${accessRuleHeader}\nuid = ${uid ?? "..."}\noperations = [${allowed.join(", ")}]`
}

export const explainNotUsable = ({ what, value }: RequestNotUsable): string => {
  switch (what) {
    case "SO PIN missing":
      return "A Security Officer PIN is required to reset the user PIN (pass --so-pin)"
    case "PIN missing":
      return "a user PIN is required to initialise a token: the request has none (pass --pin), and tedge-p11-server has none (device.cryptoki.pin)"
    default:
      return `${what}${value === undefined ? "" : ` '${quoted(value)}'`} cannot be used`
  }
}

/** For the log: the original's words, then the consequences. */
export const explainFileLeftOut = (unread: SettingsUnread): string =>
  `${unreadWords(unread)}. Every request except Ping is refused until it can be read, because it may contain scope and rules: fix it, then reload the service (SIGHUP) or restart it`

/** For every client, even root. */
export const explainSettingsNotRead = (unread: SettingsUnread): string =>
  `the signing service refuses every request: ${unreadWords(unread)}, which may contain scope and rules; fix it, then reload or restart the service`

const unreadWords = ({ path, unreadable }: SettingsUnread): string =>
  unreadable === undefined ? `Failed to parse ${path}: invalid TOML` : `Failed to read ${path}: ${unreadable}`

/** Refused PINs are recorded only while the service runs. */
export const explainLatchForgotten = (directory: string): string =>
  `refused PINs cannot be recorded in '${directory}': after each restart a wrong PIN is tried again, and may lock its token; make that directory writable by this user, or set run.path`

/** Never contains a PIN, nor the signed data. The fields are for searching the journal. */
export const explainServerEvent = (event: P11ServerEvent): LogText => {
  switch (event._tag) {
    case "RequestServed":
      return {
        level: changingOperations.includes(event.operation) ? "info" : "debug",
        text: `Incoming request successful ${audit(event)} result=done took=${seconds(requestMs(event.times))}`
      }
    case "RequestRefused":
      return {
        level: "warn",
        text: `Incoming request failed: ${audit(event)} result=refused reason="${inQuotes(event.reason)}"`
      }
    case "ClientAborted":
      // Any client may connect and disconnect at any rate; only the metrics count it.
      return {
        level: event.reason === "gone" ? "debug" : "warn",
        text: `client disconnected: ${abortReasons[event.reason]} ${who(event.client)}`
      }
    case "ClientAttributeIgnored":
      return { level: "warn", text: `'${event.attribute}' in a client's URI is ignored ${who(event.client)}` }
    case "LinesLeftOut":
      return {
        level: "warn",
        text: `${event.count} similar line(s) suppressed in the last ${seconds(event.inMs)}: ${event.kind}`
      }
    case "AcceptFailed":
      return { level: "warn", text: `cannot accept a client: ${event.code}` }
    case "StaleSocketRemoved":
      return { level: "warn", text: `Removing stale socket file left over by a previous run: ${event.path}` }
  }
}

type Requested = Extract<P11ServerEvent, { readonly _tag: "RequestServed" | "RequestRefused" }>

const audit = ({ client, operation, uri }: Requested): string =>
  `${who(client)} operation=${operation ?? "unknown"}${uri === undefined ? "" : ` key="${inQuotes(uri)}"`}`

/** Text of a client cannot end its quotes. */
const inQuotes = (text: string): string => quoted(text).replace(/["\\]/g, (character) => `\\${character}`)

const who = ({ uid, gid, pid }: Client): string =>
  `uid=${uid ?? "unknown"} gid=${gid ?? "unknown"} pid=${pid ?? "unknown"}`

const abortReasons = {
  silent: "no request in time",
  tooLong: "request too long",
  gone: "closed by the client",
  notReading: "answer not read in time",
  tooMany: "too many connections"
} as const
