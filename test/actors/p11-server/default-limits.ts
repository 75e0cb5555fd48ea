/** The limits of a signing service without settings of its own. */
import type { P11ServerLimits } from "../../../src/messages/p11-server.ts"
import { durationMs } from "../../../src/messages/settings/duration.ts"
import { type P11ServerOption, p11ServerOptions } from "../../../src/messages/settings/p11-server-settings.ts"

const defaultOf = (key: P11ServerOption): string => {
  const setting = p11ServerOptions.find((one) => one.key === key)
  return setting !== undefined && "default" in setting ? setting.default : ""
}

export const defaultServerLimits: P11ServerLimits = {
  connections: Number(defaultOf("p11_server.max_connections")),
  connectionsPerUser: Number(defaultOf("p11_server.max_user_connections")),
  readMs: durationMs(defaultOf("p11_server.request_timeout")) ?? Number.NaN,
  writeMs: durationMs(defaultOf("p11_server.answer_timeout")) ?? Number.NaN
}
