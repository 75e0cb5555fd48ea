/** The batches in flight on each connection: what its end left unacknowledged is known when the last of them has settled. */
export class ConnectionBatches<Message> {
  private readonly open = new Map<number, { batches: number; readonly unacknowledged: Array<Message> }>()

  begin(connection: number): void {
    const current = this.open.get(connection)
    if (current === undefined) this.open.set(connection, { batches: 1, unacknowledged: [] })
    else current.batches += 1
  }

  /** `unacknowledged`: those of one batch that the end of the connection left so. Returns all of them once no batch is left. */
  settle(connection: number, unacknowledged: ReadonlyArray<Message>): ReadonlyArray<Message> {
    const current = this.open.get(connection)
    if (current === undefined) return []
    current.unacknowledged.push(...unacknowledged)
    current.batches -= 1
    if (current.batches > 0) return []
    this.open.delete(connection)
    return current.unacknowledged
  }
}
