/**
 * In place of what mqtt.js loads for WebSockets, SOCKS and browsers, and effect/cli for questions at a terminal. Our stream is
 * opened before the library sees it, and its own help and completions are off, so none of it is ever called; loaded, it held
 * 2 MiB of a mapper's memory.
 */
module.exports = {}
