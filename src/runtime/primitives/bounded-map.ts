/**
 * A cache that is cleared when it exceeds `limit` entries, as clients choose its keys and must not fill the memory.
 * The limit is rarely reached, so the order of use is not tracked.
 */
export class BoundedMap<K, V> extends Map<K, V> {
  private readonly limit: number

  constructor(limit: number) {
    super()
    this.limit = limit
  }

  override set(key: K, value: V): this {
    if (this.size >= this.limit && !this.has(key)) this.clear()
    return super.set(key, value)
  }
}
