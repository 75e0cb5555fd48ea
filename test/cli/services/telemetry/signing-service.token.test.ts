/** The signing service, watched by a collector: what of a request leaves, and what never does. Needs `npm run build`. */
import { describe, expect, it, onTestFinished } from "vitest"
import type { Frame } from "../../../../src/messages/wire/frame1.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { eventually } from "../../../support/device/device.ts"
import { type PlayedCollector, playedCollector } from "../../../support/device/played-collector.ts"
import { serverPlace } from "../p11-server/server-process.ts"

type Environment = (collector: PlayedCollector) => Readonly<Record<string, string>>

const pin = "83651947"
const toSign = "text-that-stays-here"
const headerToken = "token-of-the-collector"

const signRequest: Frame = {
  _tag: "SignRequest",
  toSign: Buffer.from(toSign),
  uri: `pkcs11:token=my-token;object=my-key?pin-value=${pin}`,
  pin: undefined
}

interface RunOptions {
  readonly answers?: boolean
  readonly until?: string
  readonly requests?: ReadonlyArray<Frame>
}

/** Signs once, or sends what is asked for, and ends. */
const oneRun = async (
  environment: Environment,
  { answers = true, until = "", requests = [signRequest] }: RunOptions = {}
) => {
  const collector = await playedCollector({ answers })
  onTestFinished(collector.stop)
  const place = serverPlace()
  place.hsm.addToken({ label: "my-token", pin }).importKey({ label: "my-key" })
  place.configure("")
  const server = place.start({ args: ["--pin", pin], env: { ...on(collector), ...environment(collector) } })
  await server.logged("Server listening")
  for (const request of requests) {
    const answer = await ask(place.socketPath, request)
    if (request === signRequest) expect(answer).toMatchObject({ _tag: "SignResponse" })
  }
  await server.logged(until)
  // At its end it has 3 seconds to export the rest, which a busy machine may not give it.
  if (answers) await eventually(() => hasLeft(collector, "signing request", requests.length))
  if (answers && requests.includes(signRequest)) await eventually(() => hasLeft(collector, "tedge.signature.duration"))
  server.child.kill("SIGTERM")
  expect(await server.ended).toBe(0)
  return { collector, log: server.log() }
}

const hasLeft = ({ requests }: PlayedCollector, name: string, times = 1): boolean =>
  requests.reduce((sum, { body }) => sum + body.toString("latin1").split(name).length - 1, 0) >= times

const on = (collector: PlayedCollector) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${headerToken}`,
  OTEL_TRACES_SAMPLER: "always_on",
  OTEL_BSP_SCHEDULE_DELAY: "100",
  OTEL_METRIC_EXPORT_INTERVAL: "100"
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
    expect(collector.metrics().map(({ name }) => name)).toContain("tedge.signature.duration")
  })

  it("of a client that pings, looks for its key and signs, by default each request is a trace", async () => {
    const uri = "pkcs11:token=my-token;object=my-key"
    const client: ReadonlyArray<Frame> = [
      { _tag: "Ping" },
      { _tag: "ListKeysRequest", uri, pin: undefined },
      { _tag: "ChooseSchemeRequest", offered: [0x0403], uri, pin: undefined },
      { _tag: "GetPublicKeyPemRequest", uri },
      { _tag: "SignRequest", toSign: Buffer.from(toSign), uri, pin: undefined }
    ]
    const { collector } = await oneRun(() => ({ OTEL_TRACES_SAMPLER: "" }), { requests: client })
    const methods = collector.spans().flatMap(({ attributes }) => attributes["rpc.method"] ?? [])
    expect(methods).toEqual(client.map(({ _tag }) => _tag))
  })

  it("a request that failed has the name of the failure", async () => {
    const uri = "pkcs11:token=my-token;object=another-key"
    const { collector } = await oneRun(() => ({}), { requests: [{ _tag: "GetPublicKeyPemRequest", uri }] })
    const [request] = collector.spans().filter(({ name }) => name === "signing request")
    expect(request?.attributes["error.type"]).toBe("KeyNotFound")
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

describe("a collector that is of no use", () => {
  it.each([
    [
      "is not there",
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }),
      "no connection|ECONNREFUSED|bad port"
    ],
    [
      "says nothing",
      (collector) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_TIMEOUT: "200" }),
      "ETIMEDOUT"
    ]
  ] as const satisfies ReadonlyArray<readonly [string, Environment, string]>)(
    "that %s is named, and does not hold up the service",
    async (_, environment, reason) => {
      const { log } = await oneRun((collector) => ({ ...environment(collector), OTEL_METRICS_EXPORTER: "none" }), {
        answers: false,
        until: "the collector does not accept traces"
      })
      expect(log).toMatch(new RegExp(`the collector does not accept traces: (${reason}); check OTEL_`))
    }
  )

  it("because its variables are wrong is named, too", async () => {
    const { log, collector } = await oneRun(() => ({ OTEL_RESOURCE_ATTRIBUTES: "a=%zz" }))
    expect(log).toContain("OTEL_RESOURCE_ATTRIBUTES is not valid percent-encoding: ignored")
    expect(collector.spans().length).toBeGreaterThan(0)
  })
})
