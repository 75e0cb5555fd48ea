/** The timeline of a request that took so long. */
import type { RequestTimes } from "../../../src/messages/p11-server.ts"

export const requestTimes = (tookMs: number): RequestTimes => ({
  acceptedAt: 10,
  readAt: 10.2,
  decodedAt: 10.2,
  signed: undefined,
  answeredAt: 10.2 + tookMs,
  endedAt: 10.2 + tookMs
})
