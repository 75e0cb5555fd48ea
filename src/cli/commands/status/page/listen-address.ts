/** `--listen`: a loopback address of this machine, with optional port. */
import { isIPv4, isIPv6 } from "node:net"
import { Effect } from "effect"
import { ListenRefused } from "../../../../messages/status/refusals.ts"

export interface ListenAddress {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

export const defaultAddress: ListenAddress = { host: "127.0.0.1", port: 0 }

export const parseListenAddress = (text: string): Effect.Effect<ListenAddress, ListenRefused> => {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = isIPv6(text) ? text : (bracketed ?? plain ?? "")
  const port = isIPv6(text) ? 0 : Number(portText ?? 0)
  const isAddress = bracketed === undefined ? isIPv4(host) || isIPv6(text) || host === "localhost" : isIPv6(bracketed)
  if (!isAddress || port > 65_535) return Effect.fail(new ListenRefused({ address: text, reason: "malformed" }))
  return isLoopback(host)
    ? Effect.succeed({ host: host === "localhost" ? "127.0.0.1" : host, port })
    : Effect.fail(new ListenRefused({ address: text, reason: "notLoopback" }))
}

/** Source: RFC 1122, 3.2.1.3 (g); RFC 4291, 2.5.3. */
const isLoopback = (host: string): boolean =>
  host === "localhost" || /^127\.\d+\.\d+\.\d+$/.test(host) || /^(0{0,4}:){2,7}0{0,3}1$/.test(host)
