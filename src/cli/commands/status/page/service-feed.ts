/**
 * What the services of a device tell, for all tabs that are open: one stream a service, while the command runs.
 *
 * A tab that comes later begins with the last snapshot of each.
 */
import { Effect, type Scope } from "effect"
import { printQuestion, serviceSocketPath } from "../../../../messages/service-socket.ts"
import { parseStatusLine } from "../../../../messages/status/status-line.ts"
import { followLines } from "../../../../platform/sockets/line-stream.ts"
import type { PageFeed } from "./page-server.ts"

export const serviceFeed = (
  runPath: string,
  services: ReadonlyArray<string>
): Effect.Effect<PageFeed, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const last = new Map<string, string>()
      const watchers = new Set<(line: string) => void>()
      const tell = (message: object): string => {
        const line = JSON.stringify(message)
        for (const send of watchers) send(line)
        return line
      }
      const gone = (service: string, error: string) => last.set(service, tell({ kind: "gone", service, error }))
      const stops = services.map((service) => {
        last.set(service, JSON.stringify({ kind: "gone", service, error: "not asked yet" }))
        let silence: NodeJS.Timeout | undefined
        let isFirst = true
        const waitForLine = () => {
          clearTimeout(silence)
          silence = setTimeout(() => gone(service, "it runs, and does not answer"), longestSilenceMs)
        }
        const refuse = (error: string) => {
          clearTimeout(silence) // there is an answer
          gone(service, error)
        }
        waitForLine()
        const stop = followLines({
          path: serviceSocketPath(runPath, service),
          question: printQuestion({ ask: "stream", everyMs: 1_000 }),
          onEnd: (code) => {
            gone(service, reasons[code] ?? code)
            isFirst = true
            waitForLine() // it is asked again
          },
          onLine: (line) => {
            waitForLine()
            const said = parseStatusLine(line)
            if (said.kind === "snapshot")
              last.set(service, tell({ kind: "snapshot", service, snapshot: said.snapshot }))
            if (said.kind === "event") tell({ kind: "event", service, event: said.event })
            if (said.kind === "refused") refuse(said.error)
            if (said.kind === "unknown" && isFirst) refuse("an answer of another version")
            isFirst = false
          }
        })
        return () => {
          stop()
          clearTimeout(silence)
        }
      })
      const watch: PageFeed["watch"] = (send) => {
        for (const line of last.values()) send(line)
        watchers.add(send)
        return () => void watchers.delete(send)
      }
      return { watch, stop: () => stops.map((stop) => stop()) }
    }),
    ({ stop }) => Effect.sync(stop)
  )

/** A snapshot comes every second. */
const longestSilenceMs = 3_000

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not run",
  ECONNREFUSED: "it does not run",
  closed: "it has ended",
  EACCES: "its socket is for root, and for the user and group of the service"
}
