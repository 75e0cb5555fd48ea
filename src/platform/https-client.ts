/**
 * One HTTPS request and its answer, both bounded. For enrolment and the cloud's REST interface.
 *
 * TLS is verified against the given certificates and those Node trusts; a key never goes along here.
 */
import type { ClientRequest, IncomingMessage } from "node:http"
import { type RequestOptions, request } from "node:https"
import { rootCertificates } from "node:tls"
import { Effect, Redacted } from "effect"
import { HttpUnreachable } from "../messages/certificate.ts"

export interface HttpsRequest {
  readonly method: "GET" | "POST"
  /** `https://host:port/path`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly basicAuth?: { readonly user: string; readonly password: Redacted.Redacted<string> } | undefined
  readonly body?: string | undefined
  /** PEM certificates that are trusted besides Node's own. */
  readonly trusted: ReadonlyArray<string>
  readonly withinMs: number
}

export interface HttpsAnswer {
  readonly status: number
  readonly body: Buffer
}

/** An answer longer than this is cut off and refused. */
const largestAnswer = 1024 * 1024

/** Interrupting ends the request. Any status is an answer. */
export const httpsRequest = (wanted: HttpsRequest): Effect.Effect<HttpsAnswer, HttpUnreachable> =>
  Effect.callback<HttpsAnswer, HttpUnreachable>((resume) => {
    const url = shownUrl(wanted.url)
    const fail = (code: string, detail: string): void => resume(Effect.fail(new HttpUnreachable({ url, code, detail })))
    const outgoing = begin(wanted, (answer) => {
      const chunks: Array<Buffer> = []
      let length = 0
      answer.on("data", (chunk: Buffer) => {
        length += chunk.length
        if (length > largestAnswer) {
          answer.destroy()
          fail("ETOOLARGE", "the answer is longer than 1 MiB")
        } else chunks.push(chunk)
      })
      answer.on("end", () => resume(Effect.succeed({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) })))
      answer.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "EIO", error.message))
    })
    if (outgoing instanceof Error) return fail("EINVAL", outgoing.message)
    const timer = setTimeout(() => {
      outgoing.destroy()
      fail("ETIMEDOUT", "")
    }, wanted.withinMs)
    outgoing.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "EIO", error.message))
    outgoing.on("close", () => clearTimeout(timer))
    outgoing.end(wanted.body)
    return Effect.sync(() => {
      clearTimeout(timer)
      outgoing.destroy()
    })
  })

/** Node throws for what cannot be a request, such as a line end in a header. */
const begin = (wanted: HttpsRequest, onAnswer: (answer: IncomingMessage) => void): ClientRequest | Error => {
  try {
    return request(wanted.url, options(wanted), onAnswer)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Without user name, password and query: it goes into sentences. */
export const shownUrl = (text: string): string => {
  const url = new URL(text)
  return `${url.origin}${url.pathname}`
}

const options = (wanted: HttpsRequest): RequestOptions => ({
  method: wanted.method,
  headers: {
    "user-agent": `thin-edge.io tedge-actors/${__VERSION__}`,
    ...wanted.headers,
    ...(wanted.body !== undefined && { "content-length": String(Buffer.byteLength(wanted.body)) })
  },
  ca: [...rootCertificates, ...wanted.trusted],
  ...(wanted.basicAuth !== undefined && {
    auth: `${wanted.basicAuth.user}:${Redacted.value(wanted.basicAuth.password)}`
  })
})

declare const __VERSION__: string
