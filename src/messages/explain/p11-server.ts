/** Sentences and log lines of the signing service. */
import type { Client, ListenFailed, P11ServerEvent } from "../p11-server.ts"
import type { LogText } from "./cryptoki-event.ts"
import { type Explanation, inBrackets, quoted, seconds } from "./explanation.ts"

export const explainListen = ({ path, reason, detail }: ListenFailed): Explanation => {
  const at = `at '${path}'`
  switch (reason) {
    case "inUse":
      return {
        error: `Another instance is already listening on the socket ${at}${detail === "" ? "" : ` (process ${detail})`}`
      }
    case "notASocket":
      return { error: `cannot listen ${at}: a ${detail} is in the way`, hint: "choose another place: --socket-path" }
    case "noPermission":
      return {
        error: `cannot listen ${at}: this user may not create it`,
        hint: "choose another place: --socket-path, or run it as the user of the directory"
      }
    case "readOnly":
      return { error: `cannot listen ${at}: the file system is read-only`, hint: "choose another place: --socket-path" }
    case "noDirectory":
      return { error: `cannot listen ${at}: its directory cannot be made`, hint: "choose another place: --socket-path" }
    case "tooLong":
      return { error: `cannot listen ${at}: the path has ${detail} bytes, 107 are possible`, hint: "--socket-path" }
    case "lock":
      return { error: `Failed to acquire socket lock at '${path}.lock'${inBrackets(detail)}` }
    case "badDescriptor":
      return { error: `what systemd handed over is no listening UNIX socket (${path})${inBrackets(detail)}` }
    case "other":
      return { error: `cannot listen ${at}${inBrackets(detail)}` }
  }
}

/** Never a PIN, nor what was signed. */
export const explainServerEvent = (event: P11ServerEvent): LogText => {
  switch (event._tag) {
    case "RequestServed":
      return {
        level: "info",
        text: `Incoming request successful request=${event.request}${about(event.uri)} ${who(event.client)} took=${seconds(event.tookMs)}`
      }
    case "RequestRefused":
      return {
        level: "warn",
        text: `Incoming request failed: ${quoted(event.reason)} request=${event.request}${about(event.uri)} ${who(event.client)}`
      }
    case "ClientCut":
      return { level: "warn", text: `a client was cut off: ${cutReasons[event.reason]} ${who(event.client)}` }
    case "ClientAttributeIgnored":
      return { level: "warn", text: `'${event.attribute}' in a client's URI is ignored ${who(event.client)}` }
    case "AcceptFailed":
      return { level: "warn", text: `a client could not be accepted: ${event.code}` }
    case "StaleSocketRemoved":
      return { level: "warn", text: `Removing stale socket file left over by a previous run: ${event.path}` }
  }
}

const about = (uri: string | undefined): string => (uri === undefined ? "" : ` uri=${uri}`)

const who = ({ uid, pid }: Client): string => `uid=${uid ?? "unknown"} pid=${pid ?? "unknown"}`

const cutReasons = {
  silent: "it sent no request in time",
  tooLong: "its request is too long",
  gone: "it went away",
  notReading: "it did not take its answer in time",
  tooMany: "there are too many connections"
} as const
