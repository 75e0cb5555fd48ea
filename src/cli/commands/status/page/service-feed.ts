/**
 * The streams of all services of a device, shared by all open tabs: one per service, while the command runs.
 *
 * A tab that opens later gets the latest snapshot of each. Services that appear or end are detected.
 */
import { Effect, type Scope } from "effect"
import type { ServiceManager } from "../../../../actors/connect/services/service-manager.ts"
import type { Explanation } from "../../../../messages/explain/explanation.ts"
import { printQuestion, serviceSocketPath } from "../../../../messages/service-socket.ts"
import { parseStatusLine } from "../../../../messages/status/status-line.ts"
import { connectionState, isBad } from "../../../../messages/status/verdict.ts"
import { followLines } from "../../../../platform/sockets/line-stream.ts"
import { processMonotonicMs } from "../../../../runtime/primitives/process-time.ts"
import { type AskedService, askService, reportOfSnapshot } from "../ask-service.ts"
import type { ServiceReport } from "../report.ts"
import type { AskedConnection } from "../what-to-ask.ts"
import type { PageFeed } from "./page-server.ts"

export interface Followed {
  readonly runPath: string
  readonly manager: ServiceManager | undefined
  readonly services: ReadonlyArray<FollowedService>
  /** As in WhatToAsk. */
  readonly note?: Explanation
}

interface FollowedService extends AskedService {
  /** From the settings: shown if the service does not report it. Absent: not the service of a single connection. */
  readonly connection?: Omit<AskedConnection, "service">
}

/** `look`: finds the current services. */
export const serviceFeed = (look: Effect.Effect<Followed>): Effect.Effect<PageFeed, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const feed = new ServiceFeed((asking) => void run(asking))
    yield* Effect.addFinalizer(() => Effect.sync(() => feed.stop()))
    const follow = Effect.map(look, (followed) => feed.follow(followed))
    yield* follow
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookAgainMs), follow)))
    return feed
  })

class ServiceFeed implements PageFeed {
  private readonly run: (asking: Effect.Effect<void>) => void
  private readonly last = new Map<string, string>()
  private readonly stops = new Map<string, () => void>()
  private readonly watchers = new Set<(line: string) => void>()
  private note: string | undefined

  constructor(run: (asking: Effect.Effect<void>) => void) {
    this.run = run
  }

  readonly watch: PageFeed["watch"] = (send) => {
    if (this.note !== undefined) send(this.note)
    for (const line of this.last.values()) send(line)
    this.watchers.add(send)
    return () => void this.watchers.delete(send)
  }

  follow({ runPath, manager, services, note }: Followed): void {
    this.tellNote(note)
    for (const [name, stop] of this.stops) {
      if (services.some((one) => one.name === name)) continue
      stop()
      this.stops.delete(name)
      this.last.delete(name)
      this.tell({ kind: "left", service: name })
    }
    for (const service of services)
      if (!this.stops.has(service.name)) this.stops.set(service.name, this.followOne(service, runPath, manager))
  }

  stop(): void {
    for (const stop of this.stops.values()) stop()
  }

  private tellNote(note: Explanation | undefined): void {
    const line = JSON.stringify({ kind: "note", ...note })
    if (line === (this.note ?? JSON.stringify({ kind: "note" }))) return
    this.note = line
    for (const send of this.watchers) send(line)
  }

  private tell(message: object): string {
    const line = JSON.stringify(message)
    for (const send of this.watchers) send(line)
    return line
  }

  /** Returns how to stop it. */
  private followOne(asked: FollowedService, runPath: string, manager: ServiceManager | undefined): () => void {
    const { name: service, connection } = asked
    const configured = connection === undefined ? {} : { configured: connection }
    let silence: NodeJS.Timeout | undefined
    let isFirst = true
    let isStopped = false
    /** When the reason for a missing snapshot was found; undefined: a snapshot arrived since. */
    let lookedAt: number | undefined
    let soon: NodeJS.Timeout | undefined
    const say = (kind: "gone" | "snapshot", { name: _, ...report }: ServiceReport) =>
      this.last.set(service, this.tell({ kind, service, ...configured, ...report }))
    const gone = ({ snapshot: _, ...report }: ServiceReport) => say("gone", report)
    const notKnown = (error: string) => gone({ name: service, state: "unknown", bad: false, error })
    const waitForLine = () => {
      clearTimeout(silence)
      silence = setTimeout(() => notKnown("it runs, and does not answer"), longestSilenceMs)
    }
    const lookWhyNot = () => {
      const before = lookedAt
      if (before !== undefined && processMonotonicMs() - before < lookAgainMs) return
      askWhyNot()
      // The service manager may still report a service as active that is about to exit.
      if (before === undefined) askSoon(soonMs)
    }
    const askSoon = ([pause, ...more]: ReadonlyArray<number>) => {
      if (pause === undefined) return
      soon = setTimeout(() => {
        askWhyNot()
        askSoon(more)
      }, pause)
    }
    const askWhyNot = () => {
      const now = processMonotonicMs()
      lookedAt = now
      const asking = Effect.map(askService(asked, runPath, manager), (report) => {
        if (lookedAt !== now || isStopped || report.snapshot !== undefined) return
        clearTimeout(silence) // there is a reason
        gone(report)
      })
      this.run(asking)
    }
    notKnown("not asked yet")
    waitForLine()
    const stop = followLines({
      path: serviceSocketPath(runPath, service),
      question: printQuestion({ ask: "stream", everyMs: 1_000 }),
      onEnd: () => {
        isFirst = true
        lookWhyNot()
      },
      onLine: (line) => {
        waitForLine()
        const said = parseStatusLine(line)
        if (said.kind === "snapshot") {
          lookedAt = undefined
          clearTimeout(soon)
          const report = reportOfSnapshot(asked, manager, said.snapshot)
          const state = connection === undefined ? report.state : connectionState(report)
          say("snapshot", { ...report, state, bad: isBad({ ...report, state }) })
        }
        if (said.kind === "event") this.tell({ kind: "event", service, event: said.event })
        const isOther = said.kind === "unknown" && isFirst
        if (said.kind === "refused" || isOther) {
          clearTimeout(silence) // there is an answer
          notKnown(said.kind === "refused" ? said.error : "an answer of another version")
        }
        isFirst = false
      }
    })
    return () => {
      isStopped = true
      stop()
      clearTimeout(silence)
      clearTimeout(soon)
    }
  }
}

/** A snapshot arrives every second. */
const longestSilenceMs = 3_000
const lookAgainMs = 5_000
const soonMs = [250, 750]
