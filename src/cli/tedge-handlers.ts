/** What each command of `tedge` does: loaded when it is called. */
import type { CommandHandlers } from "./command-spec.ts"

const config = async () => (await import("./config-handlers.ts")).configHandlers

const token = async () => (await import("./token-handlers.ts")).tokenHandlers

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
  "hsm init": async () => (await token())["hsm init"],
  "hsm list-tokens": async () => (await token())["hsm list-tokens"],
  "hsm list-keys": async () => (await token())["hsm list-keys"],
  "hsm create-key": async () => (await token())["hsm create-key"],
  "hsm delete-key": async () => (await token())["hsm delete-key"],
  "hsm change-pin": async () => (await token())["hsm change-pin"],
  "hsm clear-pin-latch": async () => (await token())["hsm clear-pin-latch"],
  "hsm doctor": async () => (await token())["hsm doctor"],
  "cert create-key-hsm": async () => (await token())["cert create-key-hsm"],
  "cert create": async () => (await token())["cert create"],
  "cert create-csr": async () => (await token())["cert create-csr"],
  "cert show": async () => (await token())["cert show"],
  "cert needs-renewal": async () => (await token())["cert needs-renewal"],
  "cert remove": async () => (await token())["cert remove"],
  "cert renew": async () => (await token())["cert renew"],
  "cert upload c8y": async () => (await token())["cert upload c8y"],
  "cert download c8y": async () => (await token())["cert download c8y"],
  completions: async () => (await import("./completions.ts")).completions
}
