/** `tedge status --web`: serves the page until the command is interrupted. */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import type { PageRefusal } from "../../../../messages/status/refusals.ts"
import type { Terminal } from "../../../terminal/terminal.ts"
import { parseListenAddress, servePage } from "./page-server.ts"
import { type Followed, serviceFeed } from "./service-feed.ts"

export const showStatusPage = (
  terminal: Terminal,
  {
    look,
    listen
  }: {
    /** Finds the current services. */
    readonly look: Effect.Effect<Followed>
    /** From `--listen`. */
    readonly listen: string | undefined
  }
): Effect.Effect<never, PageRefusal> =>
  Effect.scoped(
    Effect.gen(function* () {
      const address = listen === undefined ? { host: "127.0.0.1", port: 0 } : yield* parseListenAddress(listen)
      const { files } = yield* Effect.promise(() => import("./page-files.ts"))
      const feed = yield* serviceFeed(look)
      const secret = randomBytes(24).toString("base64url")
      const url = yield* servePage(address, { secret, files, feed })
      yield* terminal.answer(`${url}\n`)
      yield* terminal.line(`Open it in a browser on this machine; from another one after: ${tunnelTo(url)}`)
      yield* terminal.line("The page is read-only, and there until Ctrl-C. Its address is a secret.")
      return yield* Effect.never
    })
  )

/** A URL omits port 80. */
export const tunnelTo = (url: string): string => {
  const { hostname, port: named } = new URL(url)
  const port = named === "" ? "80" : named
  return `ssh -L ${port}:${hostname}:${port} <DEVICE>`
}
