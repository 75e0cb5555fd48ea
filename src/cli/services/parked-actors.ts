/** The parked actors, from the events of the runtime. */
import type { ParkedActor } from "../../messages/bridge.ts"
import type { RuntimeEvent } from "../../runtime/events.ts"

export class ParkedActors {
  private readonly byName = new Map<string, ParkedActor>()

  /** True if the list changed. */
  note(event: RuntimeEvent): boolean {
    if (event._tag === "Ready" || event._tag === "Stopped") return this.byName.delete(event.actor)
    if (event._tag !== "GaveUp") return false
    const { actor, at, againAfterMs } = event
    this.byName.set(actor, { actor, nextTryAt: againAfterMs === undefined ? undefined : at + againAfterMs })
    return true
  }

  get list(): ReadonlyArray<ParkedActor> {
    return [...this.byName.values()]
  }
}
