/** Sentences of `tedge status`. */
import type { StatusNotShown, StatusRefusal } from "../status/refusals.ts"
import { inBrackets, quoted, type Sentences, seconds } from "./explanation.ts"

const joinTheGroup = (group: string | undefined): string =>
  `run it as root (sudo)${group === undefined ? "" : `, or join the group and log in again: sudo usermod -aG ${group} <USER>`}`

const seeLog = (log: string | undefined): string => `see its log${log === undefined ? "" : ` (${log})`}`

const notShownHints: Readonly<Record<StatusNotShown["reason"], (log: string | undefined) => string>> = {
  otherVersion: () => "its version may be older than that of this command: restart it",
  busy: () => "end other programs that watch it (tedge status --watch, --web), or ask again",
  noSocket: (log) => `it may be starting or ending: ask again; if nothing changes, ${seeLog(log)}`,
  closed: (log) => `it may be ending, or restarting: ask again; if nothing changes, ${seeLog(log)}`,
  other: seeLog
}

export const statusSentences = {
  NothingConnected: ({ cloud, profile }) => {
    const option = profile === undefined ? "" : ` --profile ${profile}`
    const which = `${cloud === undefined ? "" : ` to ${cloud}`}${profile === undefined ? "" : ` with the profile '${profile}'`}`
    return {
      error: `no connection${which} is configured`,
      hint: `name the cloud: tedge config set${option} ${cloud ?? "c8y"}.url <HOST>`
    }
  },
  StatusForbidden: ({ service, path, group }) => ({
    error: `'${service}' cannot be queried: '${path}' is accessible to root and to the service's user and group only`,
    hint: joinTheGroup(group)
  }),
  StatusSettingsForbidden: ({ path, group }) => ({
    error: `'${path}' cannot be read: permission denied`,
    hint: joinTheGroup(group)
  }),
  StatusTimedOut: ({ service, afterMs, log }) => ({
    error: `'${service}' is running but did not respond within ${seconds(afterMs)}`,
    hint: `${seeLog(log)}, or restart it`
  }),
  StatusNotShown: ({ service, detail, reason, log }) => ({
    error: `'${service}' is running but does not report its status${inBrackets(quoted(detail))}`,
    hint: notShownHints[reason](log)
  }),
  ServiceDown: ({ service, state, startedBy }) => ({
    error: `'${service}' is not running${inBrackets(state ?? "")}`,
    ...(startedBy !== undefined && { hint: `start it: ${startedBy}` })
  }),
  ListenRefused: ({ address, reason }) => ({
    error:
      reason === "notLoopback"
        ? `--listen: '${address}' is not a loopback address`
        : `--listen: '${address}' is not a valid address`,
    hint: "127.0.0.1:<PORT> or [::1]:<PORT>; from another machine: ssh -L <PORT>:127.0.0.1:<PORT> <DEVICE>"
  }),
  PageNotServed: ({ address, code }) => ({
    error: `the page cannot be served on ${address}: ${code}`,
    ...(code === "EADDRINUSE" && { hint: "use another port, or omit --listen to use a free one" })
  })
} satisfies Sentences<StatusRefusal>
