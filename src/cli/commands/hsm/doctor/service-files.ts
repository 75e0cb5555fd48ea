/** The checks of `tedge hsm doctor` about files that services must read, checked as root: settings, certificates, key file. */
import { Effect } from "effect"
import { explainFileNote } from "../../../../messages/explain/platform.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { serviceUser } from "../../../../platform/users/service-user.ts"
import { closedTo } from "../../../../platform/users/user-access.ts"
import type { Examination } from "./examination.ts"

export const serviceFileChecks = ({ pass, fail }: Examination, settings: CloudSettings): Effect.Effect<void> => {
  const user = serviceUser(settings.configDir)
  if (user.kind !== "user") return Effect.void
  const { certPath, keyPath } = settings.cloud.device
  const files = [settings.configFile, certPath, ...(settings.cryptoki.mode === "off" ? [keyPath] : [])]
  const told = files.flatMap((path) => {
    const closed = closedTo(user, path)
    if (closed === undefined) return []
    const needs = closed.needs === "x" ? ("x" as const) : ("r" as const)
    return [explainFileNote(path, { kind: "closedToServices", user: user.name, closed: closed.path, needs })]
  })
  return told.length === 0
    ? pass(name, `'${user.name}' may read settings and certificate`)
    : Effect.forEach(told, (text) => fail(name, sentenceAndCure(text)), { discard: true })
}

const name = "files of the services"

/** In the form used in logs: the problem, a semicolon, the command that fixes it. */
const sentenceAndCure = (text: string) => {
  const at = text.lastIndexOf("; ")
  return { error: text.slice(0, at), hint: text.slice(at + 2) }
}
