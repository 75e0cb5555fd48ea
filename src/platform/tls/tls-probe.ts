/**
 * Fetches a TLS server's certificate without a client certificate: reachable, trusted, the right name?
 *
 * A server that requires a client certificate closes the connection later; the result is known by then.
 */
import type { Duplex } from "node:stream"
import { Effect } from "effect"
import { type HttpProxy, openTunnel } from "../network/proxy-tunnel.ts"
import { codeOf, errorCode } from "../process/error-code.ts"
import { askForCertificate } from "./node-tls.ts"
import type { TrustStore } from "./trust-store.ts"

export type TlsProbe =
  | { readonly kind: "trusted"; readonly protocol: string; readonly validFrom: Date; readonly validTo: Date }
  | { readonly kind: "notTrusted"; readonly code: string; readonly detail: string }
  | { readonly kind: "notReached"; readonly code: string; readonly detail: string }

interface ProbeTarget {
  readonly host: string
  readonly port: number
  readonly trusted: TrustStore
  /** Proxy to connect through. */
  readonly proxy?: HttpProxy | undefined
  readonly withinMs: number
}

export const probeTls = (target: ProbeTarget): Effect.Effect<TlsProbe> => {
  const { proxy, trusted, withinMs } = target
  const tunnel = proxy === undefined ? Effect.succeed(undefined) : openTunnel(target, proxy, trusted)
  return Effect.flatMap(tunnel, (tunnel) => handshake(target, tunnel)).pipe(
    Effect.catch(({ detail }) =>
      Effect.succeed({ kind: "notReached" as const, code: "proxy", detail: `${proxy?.url}: ${detail}` })
    ),
    Effect.timeoutOrElse({
      duration: withinMs,
      orElse: () => Effect.succeed({ kind: "notReached" as const, code: "ETIMEDOUT", detail: "" })
    }),
    Effect.scoped
  )
}

/** `tunnel`: a stream to the server that is already open. */
const handshake = ({ host, port, trusted }: ProbeTarget, tunnel: Duplex | undefined): Effect.Effect<TlsProbe> =>
  Effect.callback<TlsProbe>((resume) => {
    const place = tunnel === undefined ? { host, port } : { socket: tunnel }
    const socket = askForCertificate({ host, trusted }, place)
    const end = (probe: TlsProbe): void => {
      socket.destroy()
      resume(Effect.succeed(probe))
    }
    socket.on("secureConnect", () => {
      const error: unknown = socket.authorizationError
      const certificate = socket.getPeerX509Certificate()
      if (socket.authorized && certificate !== undefined)
        end({
          kind: "trusted",
          protocol: socket.getProtocol() ?? "TLS",
          validFrom: new Date(certificate.validFrom),
          validTo: new Date(certificate.validTo)
        })
      else end({ kind: "notTrusted", code: codeOf(error), detail: error instanceof Error ? error.message : "" })
    })
    socket.on("error", (error) => end({ kind: "notReached", code: errorCode(error) ?? "EIO", detail: error.message }))
    return Effect.sync(() => void socket.destroy())
  })
