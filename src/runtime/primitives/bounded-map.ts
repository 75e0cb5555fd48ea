/**
 * What can be found again: beyond `limit` entries it forgets all of them, as what clients choose must not fill the memory.
 * Few ever come near the limit, so the order of use is not kept.
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
