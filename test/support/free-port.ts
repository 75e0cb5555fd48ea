/** A TCP port on the loopback interface that nobody uses now. */
export { freePort } from "../../scripts/lib/free-port.mjs"
