/** The handler of each command of `tedge`, loaded when called. */
import type { CommandHandlers } from "../command-line/command-spec.ts"
import type { TokenCommandWords } from "./token-commands.ts"

const config = async () => (await import("./config/config-handlers.ts")).configHandlers

const token = (words: TokenCommandWords) => async () => (await import("./token-handlers.ts")).tokenHandler(words)

const connecting = () => import("./connect/connect-command.ts")

export const tedgeHandlers: CommandHandlers = {
  "config get": async () => (await config()).get,
  "config set": async () => (await config()).set,
  "config unset": async () => (await config()).unset,
  "config add": async () => (await config()).add,
  "config remove": async () => (await config()).remove,
  "config list": async () => (await config()).list,
  "config upgrade": async () => (await config()).upgrade,
  "mapper list": async () => (await config()).mapperList,
  "mapper config get": async () => (await config()).mapperConfigGet,
  connect: async () => (await connecting()).connect,
  reconnect: async () => (await connecting()).reconnect,
  disconnect: async () => (await connecting()).disconnect,
  "hsm init": token("hsm init"),
  "hsm list-tokens": token("hsm list-tokens"),
  "hsm list-keys": token("hsm list-keys"),
  "hsm create-key": token("hsm create-key"),
  "hsm delete-key": token("hsm delete-key"),
  "hsm change-pin": token("hsm change-pin"),
  "hsm clear-pin-latch": token("hsm clear-pin-latch"),
  "hsm doctor": token("hsm doctor"),
  "cert create-key-hsm": token("cert create-key-hsm"),
  "cert create": token("cert create"),
  "cert create-csr": token("cert create-csr"),
  "cert show": token("cert show"),
  "cert needs-renewal": token("cert needs-renewal"),
  "cert remove": token("cert remove"),
  "cert renew": token("cert renew"),
  "cert upload c8y": token("cert upload c8y"),
  "cert download c8y": token("cert download c8y"),
  status: async () => (await import("./status/status-command.ts")).status,
  "start-services": async () => (await import("./connect/start-services.ts")).startServices,
  completions: async () => (await import("./completions/completions-command.ts")).completions
}
