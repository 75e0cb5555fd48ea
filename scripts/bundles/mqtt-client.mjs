/**
 * In place of mqtt.js as a whole: it loads a way to connect for each kind of address, and our stream is open before it. Named
 * exports, so that a build fails that imports another name.
 */
import client from "../../node_modules/mqtt/build/lib/client.js"
import ids from "../../node_modules/mqtt/build/lib/default-message-id-provider.js"

export const { default: MqttClient } = client
export const { default: DefaultMessageIdProvider } = ids
