/** The checks of `tedge hsm doctor` about files that services must read, checked as root: settings, certificates, key and password files. */
import { Effect } from "effect"
import { explainFileNote } from "../../../../messages/explain/platform.ts"
import type { CloudSettings } from "../../../../messages/settings/resolved-settings.ts"
import { serviceFiles } from "../../../../messages/settings/service-files.ts"
import { closedToServices } from "../../../../platform/users/service-access.ts"
import { serviceUser } from "../../../../platform/users/service-user.ts"
import type { Examination } from "./examination.ts"

export const serviceFileChecks = ({ pass, fail }: Examination, settings: CloudSettings): Effect.Effect<void> => {
  const user = serviceUser(settings.configDir)
  if (user.kind !== "user") return Effect.void
  const notes = closedToServices(user, serviceFiles(settings)).map(({ path, note }) => explainFileNote(path, note))
  return notes.length === 0
    ? pass(name, `'${user.name}' may read settings and certificates`)
    : Effect.forEach(notes, (text) => fail(name, sentenceAndFix(text)), { discard: true })
}

const name = "files of the services"

/** In the form used in logs: the problem, a semicolon, the command that fixes it. */
const sentenceAndFix = (text: string) => {
  const at = text.lastIndexOf("; ")
  return { error: text.slice(0, at), hint: text.slice(at + 2) }
}
