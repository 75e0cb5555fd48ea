/** In place of mqtt.js as a whole: it loads a way to connect for each kind of address, and our stream is open before it. */
"use strict"
exports.MqttClient = require("../../node_modules/mqtt/build/lib/client.js").default
exports.Store = require("../../node_modules/mqtt/build/lib/store.js").default
