/** Loads that are under way on one connection: what a connection left unacknowledged is known when the last has landed. */
export class Flights<Message> {
  private readonly open = new Map<number, { loads: number; readonly cut: Array<Message> }>()

  depart(connection: number): void {
    const flight = this.open.get(connection)
    if (flight === undefined) this.open.set(connection, { loads: 1, cut: [] })
    else flight.loads += 1
  }

  /** `cut`: those that the end of the connection left unacknowledged. Answers all of them when no load is left. */
  land(connection: number, cut: ReadonlyArray<Message>): ReadonlyArray<Message> {
    const flight = this.open.get(connection)
    if (flight === undefined) return []
    flight.cut.push(...cut)
    flight.loads -= 1
    if (flight.loads > 0) return []
    this.open.delete(connection)
    return flight.cut
  }
}
