/**
 * Tells of a slow handler while it is still at work: one that hangs never comes to an end that could be measured.
 *
 * One sleeper for all messages an actor has in hand, as with the deadlines of asks.
 */
import type { Context } from "effect"
import { Deadlines, type DeadlinesOwner } from "../primitives/deadlines.ts"
import type { Cell } from "./cell.ts"
import type { Envelope } from "./envelope.ts"

export class SlowWatch implements DeadlinesOwner<Envelope> {
  private readonly cell: Cell
  private readonly inHand = new Deadlines<Envelope>(this)

  constructor(cell: Cell) {
    this.cell = cell
  }

  get context(): Context.Context<never> {
    return this.cell.context
  }

  begin(envelope: Envelope): void {
    this.inHand.add(envelope)
  }

  end(envelope: Envelope): void {
    this.inHand.remove(envelope)
  }

  /** Leaves no timer behind an actor that has ended. */
  rest(): void {
    this.inHand.rest()
  }

  now(): number {
    return this.cell.now()
  }

  dueAt(envelope: Envelope): number {
    return envelope.startedAt + this.cell.events.slowAfterMs
  }

  expire(envelope: Envelope): void {
    this.cell.tellSlow(envelope, "handling")
  }
}
