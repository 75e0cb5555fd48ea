/**
 * In place of what mqtt.js loads for WebSockets, SOCKS and browsers, and effect/cli for questions at a terminal. Our stream is
 * opened before the library sees it, and its own help and completions are off, so none of it is ever called; loaded, it held
 * 2 MiB of a mapper's memory.
 */
// Written here: esbuild would add it or not, as it comes here first by an alias or by a plug-in.
"use strict"
module.exports = {}
