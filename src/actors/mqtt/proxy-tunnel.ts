/**
 * A way through an HTTP proxy: CONNECT, and from then on the bytes are ours (RFC 9110, 9.3.6).
 */
import type { Duplex } from "node:stream"
import { Effect, Redacted } from "effect"
import { DialFailed, type Target } from "../../messages/mqtt.ts"

export type HttpProxy = NonNullable<Target["proxy"]>

/** Asks the proxy at the other end of `stream` for the way to the target. What it sends after its answer stays unread. */
export const openTunnel = (stream: Duplex, target: Target, proxy: HttpProxy): Effect.Effect<void, DialFailed> =>
  Effect.callback<void, DialFailed>((resume) => {
    const fail = (detail: string) =>
      resume(Effect.fail(new DialFailed({ host: target.host, port: target.port, code: "proxy", detail })))
    let head = Buffer.alloc(0)
    const onReadable = () => {
      for (let chunk: unknown = stream.read(); Buffer.isBuffer(chunk); chunk = stream.read()) {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf(endOfHead)
        if (end >= 0) {
          // What follows is the broker's, and TLS will want it.
          const rest = head.subarray(end + endOfHead.length)
          return done(() => {
            if (rest.length > 0) stream.unshift(rest)
            judge(head.toString("latin1", 0, end + 2), resume, fail)
          })
        }
        if (head.length > longestHead) return done(() => fail("its answer has no end"))
      }
    }
    const onEnd = () => done(() => fail("it closed the connection"))
    const onError = (error: Error) => done(() => fail(error.message))
    const done = (then: () => void) => {
      stream.off("readable", onReadable).off("end", onEnd).off("error", onError)
      then()
    }
    stream.on("readable", onReadable).on("end", onEnd).on("error", onError)
    stream.write(request(target, proxy))
    return Effect.sync(() => done(() => {}))
  })

const judge = (head: string, resume: (effect: Effect.Effect<void>) => void, fail: (detail: string) => void): void => {
  const line = head.slice(0, head.indexOf("\r\n"))
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]
  if (status?.startsWith("2")) resume(Effect.void)
  else fail(status === undefined ? "it does not speak HTTP" : line.slice(line.indexOf(" ") + 1))
}

const request = ({ host, port }: Target, proxy: HttpProxy): string => {
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
  if (proxy.username !== undefined) {
    const password = proxy.password === undefined ? "" : Redacted.value(proxy.password)
    const credentials = Buffer.from(`${proxy.username}:${password}`).toString("base64")
    lines.push(`Proxy-Authorization: Basic ${credentials}`)
  }
  return [...lines, "", ""].join("\r\n")
}

const longestHead = 16 * 1024

const endOfHead = "\r\n\r\n"
