/**
 * In place of what mqtt.js loads for browsers, effect/cli for questions at a terminal, and effect for schedules of calendar days:
 * none of it is ever called.
 */
// Written here: esbuild would add it or not, as it comes here first by an alias or by a plug-in.
"use strict"
module.exports = {}
