import type { Server } from "node:https"

export declare const echoing: (server: Server) => () => void
