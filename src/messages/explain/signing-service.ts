/** Sentences for refusals of tedge-p11-server, and for its socket being inaccessible. */

import {
  isAboutScope,
  isTooOld,
  lacksKey,
  lacksToken,
  longestServiceText,
  refusesPin,
  ruleIn
} from "../service-fragments.ts"
import type {
  ClosedFile,
  SigningServiceRefused,
  SigningServiceResponseInvalid,
  SigningServiceUnreachable
} from "../token-refusals.ts"
import { type Explanation, inBrackets, quoted, shellQuoted } from "./explanation.ts"
import {
  clientTriedFragment,
  closedIn,
  differsFragment,
  keptFragment,
  noOtherFragment,
  outsideScopeFragment,
  pausedFragment,
  presentFragment,
  seenFragment,
  soFragment,
  unansweredFragment,
  untriedFragment
} from "./token-fragments.ts"

export const explainService = (
  failure: SigningServiceUnreachable | SigningServiceRefused | SigningServiceResponseInvalid
): Explanation => {
  switch (failure._tag) {
    case "SigningServiceUnreachable":
      return explainUnreachable(failure)
    case "SigningServiceRefused":
      return explainRefused(failure)
    case "SigningServiceResponseInvalid":
      return {
        error: `the service at '${failure.socketPath}' does not speak the protocol of tedge-p11-server: ${quoted(failure.detail)}`,
        hint: "check: tedge config get device.cryptoki.socket_path"
      }
  }
}

const explainRefused = (refusal: SigningServiceRefused): Explanation => {
  const { message, ownPin } = refusal
  // Not truncated: the candidates are at its end.
  const said = quoted(message, longestServiceText + "...".length)
  if (isTooOld(refusal))
    return {
      error: `tedge-p11-server wasn't able to understand the request, perhaps because its version is too old: ${said}`,
      hint: "check its version (tedge-p11-server --version), and install that of this tedge"
    }
  const ofGiven = ownPin === undefined || namesPin(message) ? undefined : hintForGivenPin(refusal, ownPin)
  if (ofGiven !== undefined)
    return { error: `tedge-p11-server refused the PIN it was given (${ownPin}): ${said}`, hint: ofGiven }
  const rule = ruleIn(refusal)
  if (rule !== undefined)
    return {
      error: `tedge-p11-server: ${said}`,
      hint: `run it as root or as the user of the service; or add the rule to tedge.toml where the service runs, and restart it (systemctl restart tedge-p11-server):\n${rule.join("\n")}`
    }
  return { error: `tedge-p11-server: ${said}`, hint: hintForRefused(refusal) }
}

/** The service's own message says which PIN is meant. */
const namesPin = (message: string): boolean => message.includes(soFragment) || message.includes(presentFragment)

/** Without a setting, the given PIN is the only one. */
const correctPin = (place: string): string => {
  if (place.startsWith("--so-pin") || place.startsWith("--current-pin")) return `give the right one (${place})`
  return `correct the PIN where it is set (${place}), or remove it there: the service then uses its own`
}

/** Undefined: the refusal is not about the PIN of the request. */
const hintForGivenPin = (refusal: SigningServiceRefused, place: string): string | undefined => {
  const says = (...words: ReadonlyArray<string>) => words.some((one) => refusal.message.includes(one))
  if (says(untriedFragment, noOtherFragment, keptFragment))
    return `${correctPin(place)}; if this is it: tedge hsm clear-pin-latch`
  if (says(pausedFragment, clientTriedFragment)) return hintForRefused(refusal)
  return says(differsFragment) || refusesPin(refusal) ? correctPin(place) : undefined
}

const pinHint = (message: string): string | undefined => {
  const says = (...words: ReadonlyArray<string>) => words.some((one) => message.includes(one))
  if (says(soFragment))
    return "use the SO PIN that the token was initialised with; if this is it: tedge hsm clear-pin-latch"
  if (says(presentFragment)) return "pass the current PIN with --current-pin; if this is it: tedge hsm clear-pin-latch"
  if (says(pausedFragment, clientTriedFragment))
    return "leave the PIN to the service, or as root where it runs: tedge hsm clear-pin-latch"
  if (says(untriedFragment, noOtherFragment, keptFragment))
    return "verify the PIN the service has, then: tedge hsm clear-pin-latch"
  return says(unansweredFragment) ? "see its log: journalctl -u tedge-p11-server" : undefined
}

export const ownScope =
  "the service applies its own device.cryptoki.uri: change it where the service runs, then: systemctl restart tedge-p11-server"

/** By the message of our own service, and of thin-edge's. Only commands that both have. */
const hintForRefused = (refusal: SigningServiceRefused): string => {
  const { message } = refusal
  const ofPin = pinHint(message)
  if (ofPin !== undefined) return ofPin
  if (Object.values(seenFragment).some((words) => message.includes(`; ${words} is on token '`)))
    return "name that token in: tedge config get device.key_uri"
  if (message.includes(outsideScopeFragment))
    return "change device.cryptoki.uri of tedge-p11-server, not of this device, then: sudo systemctl restart tedge-p11-server"
  if (message.includes(differsFragment))
    return "leave the PIN to the service (tedge config unset device.key_pin; no pin-value in device.key_uri), or set its PIN"
  const closed = closedIn(message)
  if (closed !== undefined) return hintForClosed(closed)
  if (isAboutScope(refusal)) return ownScope
  if (refusal.isListed === true) return `the service lists it, but ${ownScope}`
  if (lacksKey(refusal)) return "list the keys with: tedge hsm list-keys"
  if (lacksToken(refusal))
    return "list the service's tokens: tedge hsm list-tokens; plug it in, or initialise one; tedge resumes when it is back"
  return "the service uses its own settings and PIN: journalctl -u tedge-p11-server"
}

const hintForClosed = ({ path, user, code }: ClosedFile): string =>
  code === "EROFS"
    ? "its sandbox has no access: copy the drop-in of this kind of token (softhsm2.conf) from /usr/share/tedge-actors*/drop-ins to /etc/systemd/system/tedge-p11-server.service.d, then: sudo systemctl daemon-reload; sudo systemctl restart tedge-p11-server"
    : `where the service runs: sudo chown -R ${shellQuoted(user)}: ${shellQuoted(path)}; sudo systemctl restart tedge-p11-server`

const explainUnreachable = (failure: SigningServiceUnreachable): Explanation => {
  const start = `Failed to connect to tedge-p11-server UNIX socket at '${failure.socketPath}'`
  switch (failure.reason) {
    case "missing":
      return { error: `${start}: there is no socket`, hint: "start it: systemctl start tedge-p11-server.socket" }
    case "noPermission":
      return { error: `${start}: this user may not open it`, hint: `check: ls -l '${failure.socketPath}'` }
    case "refused":
      return { error: `${start}: connection refused`, hint: "start it: systemctl start tedge-p11-server.socket" }
    case "silent":
      return { error: `${start}: it does not answer`, hint: "see its log: journalctl -u tedge-p11-server" }
    case "closedEarly":
      return {
        error: `${start}: it closed the connection before it answered`,
        hint: "see its log: journalctl -u tedge-p11-server; a version too old for the request may close it too: tedge-p11-server --version"
      }
    case "foreign":
      return {
        error: `${start}: it belongs to user ${failure.detail}, in a directory where every user can create files; nothing was sent to it`,
        hint: "use a directory of the service's own: tedge config set device.cryptoki.socket_path /run/tedge-p11-server/tedge-p11-server.sock"
      }
    case "other":
      return { error: `${start}${inBrackets(failure.detail)}` }
  }
}
