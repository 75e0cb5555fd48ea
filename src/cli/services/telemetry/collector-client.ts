/**
 * The HTTP client of the exporter: an answer of the collector takes bounded time and memory.
 *
 * Redirects are not followed: `fetch` would send the headers, with the API key in them, to another host.
 * Source: OTLP 1.9, "OTLP/HTTP Response" and "OTLP/HTTP Throttling".
 */
import { Clock, Duration, Effect, Layer, Result, Stream } from "effect"
import {
  FetchHttpClient,
  Headers,
  HttpClient,
  HttpClientError,
  type HttpClientRequest,
  HttpClientResponse
} from "effect/http"
import { errorCode } from "../../../platform/process/error-code.ts"
import { wallMs } from "../../../runtime/primitives/wall-time.ts"

/** `timeoutMs`: of one attempt, with its answer. */
export const collectorClient = (outcome: ExportOutcome, timeoutMs: number): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => bounded(client, outcome, timeoutMs))
  ).pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }))
  )

const bounded = (client: HttpClient.HttpClient, outcome: ExportOutcome, timeoutMs: number): HttpClient.HttpClient =>
  client.pipe(
    // If the collector accepts the connection and never responds, the queue would grow.
    HttpClient.transform((response, request) =>
      response.pipe(
        Effect.tap(readAnswer),
        Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.fail(timedOut(request)) })
      )
    ),
    HttpClient.tap(({ status }) =>
      Effect.sync(() => (status >= 200 && status < 300 ? outcome.taken() : outcome.failed(status, undefined)))
    ),
    HttpClient.tapError(({ reason }) => Effect.sync(() => outcome.failed(undefined, reason.cause))),
    HttpClient.transformResponse(Effect.flatMap(withoutBody))
  )

/** So that the connection can be used again; after too much it is closed. */
const readAnswer = ({ stream }: HttpClientResponse.HttpClientResponse): Effect.Effect<void> => {
  let size = 0
  const isRead = (chunk: Uint8Array): boolean => {
    size += chunk.length
    return size <= longestAnswer
  }
  return Effect.ignore(Stream.runDrain(Stream.takeWhile(stream, isRead)))
}

/** Effect would read the body once more, all of it. */
const withoutBody = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpClientResponse.HttpClientResponse> =>
  Effect.map(Clock.Clock, (clock) => {
    const { request, headers, status } = response
    const init = { headers: { ...headers }, status: retriedAs(status, headers["retry-after"], wallMs(clock)) }
    return HttpClientResponse.fromWeb(request, new Response(null, init))
  })

/**
 * The status that makes Effect wait as the collector asks. While it waits, collected data grows: after a longer wait than
 * `longestWaitMs` this batch is not tried again.
 */
const retriedAs = (status: number, retryAfter: string | undefined, now: number): number => {
  if ((status !== 429 && status !== 503) || retryAfter === undefined) return status
  const asked = Headers.parseRetryAfter(retryAfter)
  if (Result.isFailure(asked)) return status
  const waitMs = Duration.toMillis(Headers.retryAfterDelay(asked.success, now))
  return waitMs <= longestWaitMs ? 429 : 400
}

const timedOut = (request: HttpClientRequest.HttpClientRequest) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(), { code: "ETIMEDOUT" }) })
  })

/** Collectors answer with a few bytes. */
const longestAnswer = 65_536
const longestWaitMs = 10_000

/** Logs when the collector starts and stops refusing exports: one line each, not one per export. */
export interface ExportOutcome {
  /** A status, or the code of a failed connection: nothing of the address or the headers. */
  readonly failed: (status: number | undefined, cause: unknown) => void
  readonly taken: () => void
}

export const exportOutcome = (signal: "traces" | "metrics", tell: (warning: string) => void): ExportOutcome => {
  let isFailing = false
  return {
    failed: (status, cause) => {
      if (isFailing) return
      isFailing = true
      const why = status === undefined ? causeCode(cause) : `it answered with status ${status}`
      tell(`the collector does not accept ${signal}: ${why}; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector`)
    },
    taken: () => {
      if (!isFailing) return
      isFailing = false
      tell(`the collector accepts ${signal} again`)
    }
  }
}

/** `fetch` throws errors with the code in their cause. */
const causeCode = (error: unknown): string => {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 4; one = one.cause, depth += 1) {
    const code = errorCode(one)
    if (code !== undefined && /^\w{1,64}$/.test(code)) return code
  }
  return "no connection"
}
