/** Sentences of `tedge status`. */
import type { StatusRefusal } from "../status/refusals.ts"
import { inBrackets, quoted, type Sentences, seconds } from "./explanation.ts"

const joinTheGroup = "run it as root (sudo), or join the group and log in again: sudo usermod -aG tedge <USER>"

export const statusSentences = {
  NothingConnected: ({ cloud, profile }) => {
    const option = profile === undefined ? "" : ` --profile ${profile}`
    const which = `${cloud === undefined ? "" : ` to ${cloud}`}${profile === undefined ? "" : ` with the profile '${profile}'`}`
    return {
      error: `no connection${which} is configured`,
      hint: `name the cloud: tedge config set${option} ${cloud ?? "c8y"}.url <HOST>`
    }
  },
  StatusForbidden: ({ service, path }) => ({
    error: `'${service}' cannot be asked: '${path}' is for root, and for the user and group of the service`,
    hint: joinTheGroup
  }),
  StatusSettingsForbidden: ({ path }) => ({
    error: `'${path}' cannot be read: permission denied`,
    hint: joinTheGroup
  }),
  StatusTimedOut: ({ service, afterMs, log }) => ({
    error: `'${service}' runs, and did not answer within ${seconds(afterMs)}`,
    hint: `see its log${log === undefined ? "" : ` (${log})`}, or restart it`
  }),
  StatusNotShown: ({ service, detail }) => ({
    error: `'${service}' runs, and does not show its status${inBrackets(quoted(detail))}`,
    hint: "its version may be older than that of this command: restart it"
  }),
  ServiceDown: ({ service, state, startedBy }) => ({
    error: `'${service}' does not run${inBrackets(state ?? "")}`,
    ...(startedBy !== undefined && { hint: `start it: ${startedBy}` })
  }),
  ListenRefused: ({ address, reason }) => ({
    error:
      reason === "notLoopback"
        ? `--listen: '${address}' is not an address of this machine alone`
        : `--listen: '${address}' is not a valid address`,
    hint: "127.0.0.1:<PORT> or [::1]:<PORT>; from another machine: ssh -L <PORT>:127.0.0.1:<PORT> <DEVICE>"
  }),
  PageNotServed: ({ address, code }) => ({
    error: `the page cannot be served on ${address}: ${code}`,
    ...(code === "EADDRINUSE" && { hint: "use another port, or omit --listen to use a free one" })
  })
} satisfies Sentences<StatusRefusal>
