/** In place of `lru-cache`, of which mqtt.js makes one for the aliases of topics it publishes to: our publishes have none. */
"use strict"
exports.LRUCache = class extends Map {
  constructor() {
    super()
  }
}
