/**
 * The events of a service, sent to subscribed clients.
 *
 * Publishing never waits: StatusActor and each subscriber have a bounded inbox, and miss what does not fit.
 */
import type { StatusEvent } from "../../messages/status/event.ts"
import { Channel } from "../../runtime/channel.ts"

export class StatusFeed {
  readonly channel = Channel.make<StatusEvent>("status")
  private watchers = 0

  readonly publish = (event: StatusEvent): void => this.channel.offer(event)

  /** For frequent events: created only if there is a subscriber. */
  publishIfWatched(make: () => StatusEvent): void {
    if (this.watchers > 0) this.channel.offer(make())
  }

  get isWatched(): boolean {
    return this.watchers > 0
  }

  /** `onEvent` is called in the publisher's step. Returns how to unsubscribe. */
  watch(onEvent: (event: StatusEvent) => void): () => void {
    this.watchers += 1
    const subscription = this.channel.observable.subscribe(onEvent)
    return () => {
      this.watchers -= 1
      subscription.unsubscribe()
    }
  }
}
