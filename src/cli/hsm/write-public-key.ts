/** Saves a public key: everybody may read it. */
import { writeFileSync } from "node:fs"
import { Effect } from "effect"
import { FileNotWritten } from "../../messages/connect.ts"

export const writePublicKey = (path: string, text: string): Effect.Effect<void, FileNotWritten> =>
  Effect.try({
    try: () => writeFileSync(path, text, { mode: 0o644 }),
    catch: (cause) => new FileNotWritten({ path, code: (cause as NodeJS.ErrnoException).code ?? "unknown" })
  })
