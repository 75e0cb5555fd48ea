/**
 * Set and Map for short-lived entries: deadlines, connections, messages in flight.
 *
 * V8's own tables point to their successors when they grow. Once a table has been promoted, everything ever put into
 * its successors is kept, and moved, until the next full collection: pauses of many milliseconds for
 * garbage. Here the chain is cut by rebuilding the table every so often. Unchanged tables cost nothing.
 */

/** In insertion order, as a Set is. */
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

/** In insertion order, as a Map is. */
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

/** Often enough to keep little garbage alive, but for large tables not more often than the copy is worth. */
const isWorn = (deleted: number, size: number): boolean => deleted >= 32 && deleted >= size
