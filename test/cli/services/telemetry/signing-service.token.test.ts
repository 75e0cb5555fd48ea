/** The signing service, watched by a collector: what of a request leaves, and what never does. Needs `npm run build`. */
import { describe, expect, it, onTestFinished } from "vitest"
import { ask } from "../../../actors/p11-server/served.ts"
import { type PlayedCollector, playedCollector } from "../../../support/played-collector.ts"
import { serverPlace } from "../p11-server/server-process.ts"

const pin = "83651947"
const toSign = "text-that-stays-here"
const headerToken = "token-of-the-collector"

/** Signs once, and ends. */
const oneRun = async (environment: (collector: PlayedCollector) => Readonly<Record<string, string>>) => {
  const collector = await playedCollector()
  onTestFinished(collector.stop)
  const place = serverPlace()
  place.hsm.addToken({ label: "my-token", pin }).importKey({ label: "my-key" })
  place.configure("")
  const server = place.start({ args: ["--pin", pin], env: { ...on(collector), ...environment(collector) } })
  await server.logged("Server listening")
  const uri = `pkcs11:token=my-token;object=my-key?pin-value=${pin}`
  const request = { _tag: "SignRequest", toSign: Buffer.from(toSign), uri, pin: undefined } as const
  expect(await ask(place.socketPath, request)).toMatchObject({ _tag: "SignResponse" })
  server.child.kill("SIGTERM")
  expect(await server.ended).toBe(0)
  return { collector, log: server.log() }
}

const on = (collector: PlayedCollector) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${headerToken}`,
  OTEL_TRACES_SAMPLER: "always_on"
})

describe("with a collector", () => {
  it("a request is one trace: the actors it went through, and the token host", async () => {
    const { collector } = await oneRun(() => ({}))
    const spans = collector.spans()
    const request = spans.find(({ attributes }) => attributes["rpc.method"] === "SignRequest")
    const trace = spans.filter(({ traceId }) => traceId === request?.traceId)
    const above = (name: string, actor?: string) => {
      const one = trace.find((span) => span.name === name && (actor === undefined || span.attributes.actor === actor))
      const parent = trace.find(({ spanId }) => spanId === one?.parentSpanId)
      return parent?.attributes.actor ?? parent?.name
    }
    expect(above("actor.receive", "p11-server/cryptoki")).toBe("signing request")
    expect(above("actor.receive", "cryptoki/my-token")).toBe("p11-server/cryptoki")
    expect(above("token host")).toBe("cryptoki/my-token")
    expect(collector.resource()).toMatchObject({ "service.name": "tedge-p11-server" })
    expect(collector.metricNames()).toContain("tedge.signature.duration")
  })

  it.each(["http/json", "http/protobuf"])(
    "no PIN, no token and nothing of what is signed leaves (%s)",
    async (protocol) => {
      const { collector, log } = await oneRun(() => ({ OTEL_EXPORTER_OTLP_PROTOCOL: protocol }))
      expect(collector.requests.map(({ headers }) => headers.authorization)).toContain(`Bearer ${headerToken}`)
      const all = collector.requests.map(({ path, body }) => path + body.toString("latin1")).join("\n") + log
      expect(all).toContain("signing request")
      for (const secret of [pin, toSign, Buffer.from(toSign).toString("base64"), headerToken])
        expect(all).not.toContain(secret)
    }
  )
})

it("signs with a collector that is not there", async () => {
  const { collector, log } = await oneRun(() => ({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }))
  expect(collector.requests).toEqual([])
  expect(log).toContain("the collector does not take traces")
})
