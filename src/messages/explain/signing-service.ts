/** Sentences for what tedge-p11-server refused, and for a way to it that is barred. */
import type { SigningServiceGarbled, SigningServiceRefused, SigningServiceUnreachable } from "../token-refusals.ts"
import { type Explanation, inBrackets, quoted } from "./explanation.ts"
import { differsWords, keptWords, noOtherWords, outsideScopeWords, seenWords, untriedWords } from "./token-words.ts"

export const explainService = (
  failure: SigningServiceUnreachable | SigningServiceRefused | SigningServiceGarbled
): Explanation => {
  switch (failure._tag) {
    case "SigningServiceUnreachable":
      return explainUnreachable(failure)
    case "SigningServiceRefused":
      return explainRefused(failure.message)
    case "SigningServiceGarbled":
      return {
        error: `what answers at '${failure.socketPath}' does not speak the protocol of tedge-p11-server: ${quoted(failure.detail)}`,
        hint: "check: tedge config get device.cryptoki.socket_path"
      }
  }
}

const explainRefused = (message: string): Explanation =>
  message.includes("Failed to parse the received frame")
    ? {
        error: `tedge-p11-server wasn't able to understand the request, perhaps because its version is too old: ${quoted(message)}`,
        hint: "look which one runs (tedge-p11-server --version), and install that of this tedge"
      }
    : { error: `tedge-p11-server: ${quoted(message)}`, hint: hintForRefused(message) }

/** By the words of our own service. */
const hintForRefused = (message: string): string => {
  if ([untriedWords, noOtherWords, keptWords].some((words) => message.includes(words)))
    return "make sure of the PIN the service has, then: tedge hsm clear-pin-latch"
  if (Object.values(seenWords).some((words) => message.includes(`; ${words} is on token '`)))
    return "name that token where another one, or none, is named: tedge config get device.key_uri"
  if (message.includes(outsideScopeWords))
    return "change device.cryptoki.uri of tedge-p11-server, not of this device, then: sudo systemctl reload tedge-p11-server"
  if (message.includes(differsWords))
    return "leave the PIN to the service (tedge config unset device.key_pin; no pin-value in device.key_uri), or set its PIN"
  return "its settings and its PIN count, not this device's: journalctl -u tedge-p11-server"
}

const explainUnreachable = (failure: SigningServiceUnreachable): Explanation => {
  const start = `Failed to connect to tedge-p11-server UNIX socket at '${failure.socketPath}'`
  switch (failure.reason) {
    case "missing":
      return { error: `${start}: there is no socket`, hint: "start it: systemctl start tedge-p11-server.socket" }
    case "noPermission":
      return { error: `${start}: this user may not open it`, hint: `check: ls -l '${failure.socketPath}'` }
    case "refused":
      return { error: `${start}: nobody listens there`, hint: "start it: systemctl start tedge-p11-server.socket" }
    case "silent":
      return { error: `${start}: it does not answer`, hint: "look at its log: journalctl -u tedge-p11-server" }
    case "closedEarly":
      return {
        error: `${start}: it closed the connection before it answered`,
        hint: "look at its log: journalctl -u tedge-p11-server"
      }
    case "other":
      return { error: `${start}${inBrackets(failure.detail)}` }
  }
}
