/** What each command of `tedge` does: loaded when it is called. */
import type { CommandHandlers } from "./command-spec.ts"

const config = async () => (await import("./config-handlers.ts")).configHandlers

const connecting = () => import("./connect/connect-command.ts")

export const tedgeHandlers: CommandHandlers = {
  "config get": async () => (await config()).get,
  "config set": async () => (await config()).set,
  "config unset": async () => (await config()).unset,
  "config add": async () => (await config()).add,
  "config remove": async () => (await config()).remove,
  "config list": async () => (await config()).list,
  connect: async () => (await connecting()).connect,
  reconnect: async () => (await connecting()).reconnect,
  disconnect: async () => (await connecting()).disconnect,
  completions: async () => (await import("./completions.ts")).completions
}
