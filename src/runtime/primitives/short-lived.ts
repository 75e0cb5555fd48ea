/**
 * Set and Map for what comes and goes all the time: deadlines, connections, messages in flight.
 *
 * V8's own grow out of tables that point to the table that came after them. Once a table has grown old, all that was
 * ever put into its successors is kept, and moved, until the next full collection: pauses of many milliseconds for
 * garbage. Here the chain is cut by restarting every so often. What has not changed for long costs nothing.
 */

/** In the order of adding, as a Set is. */
export class ShortLivedSet<A> {
  private items = new Set<A>()
  private deleted = 0

  get size(): number {
    return this.items.size
  }

  get first(): A | undefined {
    return this.items.values().next().value
  }

  has(item: A): boolean {
    return this.items.has(item)
  }

  add(item: A): void {
    this.items.add(item)
  }

  delete(item: A): boolean {
    const wasIn = this.items.delete(item)
    if (wasIn && isWorn(++this.deleted, this.items.size)) {
      this.items = new Set(this.items)
      this.deleted = 0
    }
    return wasIn
  }

  clear(): void {
    this.items = new Set()
    this.deleted = 0
  }

  [Symbol.iterator](): IterableIterator<A> {
    return this.items.values()
  }
}

/** In the order of adding, as a Map is. */
export class ShortLivedMap<K, V> {
  private entries = new Map<K, V>()
  private deleted = 0

  get size(): number {
    return this.entries.size
  }

  has(key: K): boolean {
    return this.entries.has(key)
  }

  get(key: K): V | undefined {
    return this.entries.get(key)
  }

  set(key: K, value: V): void {
    this.entries.set(key, value)
  }

  delete(key: K): boolean {
    const wasIn = this.entries.delete(key)
    if (wasIn && isWorn(++this.deleted, this.entries.size)) {
      this.entries = new Map(this.entries)
      this.deleted = 0
    }
    return wasIn
  }

  clear(): void {
    this.entries = new Map()
    this.deleted = 0
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries.entries()
  }

  values(): IterableIterator<V> {
    return this.entries.values()
  }
}

/** Often enough to keep little garbage alive, and for what is large not more often than what it costs to copy it. */
const isWorn = (deleted: number, size: number): boolean => deleted >= 32 && deleted >= size
