/** A mapper with its key in a token, between two mosquittos, watched by a collector: what leaves, and what never does. */
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { askJsonLine } from "../../../../src/platform/sockets/json-lines-socket.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"
import { joinBroker, type MqttPeer } from "../../../support/broker/mqtt-peer.ts"
import { eventually } from "../../../support/device/device.ts"
import { configureMapper, type MapperProcess, mapperProcess } from "../../../support/device/mapper-process.ts"
import { type PlayedCollector, playedCollector, type Span } from "../../../support/device/played-collector.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

let dir: string
let pki: TestPki
let hsm: SoftHsmDirectory
let local: TestBroker
let cloud: TestBroker
let collector: PlayedCollector
let mapper: MapperProcess | undefined
let peer: MqttPeer | undefined

const pin = "83651947"
const payload = "payload-that-stays-here"
const headerToken = "token-of-the-collector"

beforeEach(async () => {
  dir = makeTempDir()
  pki = testPki()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token", pin }).importKey({ privateKeyPem: pki.deviceKeyPem })
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  local = await startBroker()
  cloud = await startBroker({ requireCertificate: true, tls })
  collector = await playedCollector()
  configureMapper({
    dir,
    pki,
    localPort: local.port,
    cloudPort: cloud.port,
    more: `[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = "${pin}"\n`
  })
})

afterEach(async () => {
  mapper?.child.kill("SIGKILL")
  await peer?.close()
  await Promise.all([local.stop(), cloud.stop(), collector.stop()])
  mapper = undefined
  peer = undefined
  pki.remove()
  hsm.cleanup()
  removeTempDir(dir)
})

/** Connects, passes a measurement on, ends. */
const oneRun = async (environment: NodeJS.ProcessEnv, left: () => boolean = () => true): Promise<void> => {
  mapper = mapperProcess(dir, ["c8y"], { ...hsm.env, ...environment })
  const path = serviceSocketPath(join(dir, "run"), "tedge-mapper-c8y")
  const ask = (question: string) =>
    Effect.runPromise(Effect.catch(askJsonLine(path, question), () => Effect.succeed("")))
  await eventually(async () => (await ask('{"version":1,"ask":"status"}')).includes('"health":"up"'))
  peer = await joinBroker(local.port, [])
  await peer.publish("c8y/s/us", payload)
  await eventually(async () => {
    const answer = await ask('{"version":1,"ask":"metrics"}')
    metrics = answer === "" ? "" : JSON.parse(answer).text
    return /puback_duration_seconds_count\{side="cloud"\} [1-9]/.test(metrics)
  })
  // At its end it has 3 seconds to export the rest, which a busy machine may not give it.
  await eventually(left)
  mapper.child.kill("SIGTERM")
  expect(await mapper.ended).toBe(0)
}

let metrics: string

const allThatLeft = () =>
  collector.requests.map(({ path, body }) => path + body.toString("latin1")).join("\n") + (mapper?.stderr() ?? "")

const on = () => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${headerToken}`,
  OTEL_BSP_SCHEDULE_DELAY: "100"
})

/** Of the connection with the cloud. It ends after what is in it. */
const connectSpan = (): Span | undefined =>
  collector
    .spans()
    .find(({ name, attributes }) => name === "mqtt connect" && Number(attributes["server.port"]) === cloud.port)

const traceOfMessage = (): ReadonlyArray<Span> => {
  const spans = collector.spans()
  const message = spans.find(({ attributes }) => attributes["messaging.destination.name"] === "s/us")
  return message === undefined
    ? []
    : [message, ...spans.filter((one) => one !== message && one.traceId === message.traceId)]
}

const isAcknowledged = () => traceOfMessage().some(({ name }) => name === "publish until PUBACK")

describe("with a collector", () => {
  it("a connection is one trace: dial, handshake, choose scheme, sign, CONNACK", async () => {
    const environment = { ...on(), OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=field" }
    await oneRun(environment, () => connectSpan() !== undefined)
    const spans = collector.spans()
    const toCloud = connectSpan()
    expect(toCloud?.attributes).toMatchObject({
      "messaging.system": "mqtt",
      "network.protocol.name": "mqtt",
      "server.address": "localhost",
      "tls.protocol.version": "1.3",
      "tls.resumed": false
    })
    const trace = spans.filter(({ traceId }) => traceId === toCloud?.traceId)
    expect(new Set(trace.map(({ name }) => name))).toEqual(
      new Set([
        ...["mqtt connect", "dial", "tls handshake", "choose scheme", "sign", "mqtt CONNACK"],
        ...["actor.receive", "token host"]
      ])
    )
    const above = (name: string) => {
      const one = trace.find((span) => span.name === name)
      return trace.find(({ spanId }) => spanId === one?.parentSpanId)?.name
    }
    for (const name of ["dial", "tls handshake", "choose scheme", "mqtt CONNACK"])
      expect([name, above(name)]).toEqual([name, "mqtt connect"])
    expect(above("sign")).toBe("tls handshake")
    expect(trace.filter(isInside(toCloud))).toHaveLength(trace.length)
    const signing = trace.find(({ name }) => name === "sign")
    const handled = trace.filter(({ attributes }) => attributes.message === "Sign")
    expect(handled.map(({ parentSpanId }) => parentSpanId)).toContain(signing?.spanId)
    expect(collector.resource()).toMatchObject({
      "service.name": "tedge-mapper-c8y",
      "deployment.environment": "field"
    })
  })

  it("a message is a trace, with its topic", async () => {
    await oneRun({ ...on(), OTEL_TRACES_SAMPLER: "always_on" }, isAcknowledged)
    const [message, ...others] = traceOfMessage()
    expect(message?.attributes).toMatchObject({
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
      "tedge.bridge.direction": "outbound"
    })
    expect(others.map(({ name }) => name)).toContain("publish until PUBACK")
  })

  it("metrics leave at the end, and are on the socket for Prometheus", async () => {
    await oneRun(on(), () => connectSpan() !== undefined)
    const [puback, signature] = ["messaging.client.operation.duration", "tedge.signature.duration"].map((name) =>
      collector.metrics().find((metric) => metric.name === name)
    )
    expect([puback?.unit, signature?.unit]).toEqual(["s", "s"])
    expect(signature?.points).toEqual([{ outcome: "success" }])
    for (const point of puback?.points ?? [])
      expect(Object.keys(point).sort()).toEqual(["messaging.operation.name", "messaging.system", "side"])
    expect(metrics).toContain("# TYPE tedge_mapper_signature_duration_seconds histogram")
    expect(metrics).toContain('tedge_mapper_signature_duration_seconds_count{outcome="success"} 1')
    expect(metrics).toContain("tedge_mapper_up 1")
  })

  it.each(["http/json", "http/protobuf"])("no payload, PIN or token leaves (%s)", async (protocol) => {
    const environment = { ...on(), OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_TRACES_SAMPLER: "always_on" }
    await oneRun(environment, () => allThatLeft().includes("mqtt connect"))
    expect(collector.requests.map(({ headers }) => headers.authorization)).toContain(`Bearer ${headerToken}`)
    const all = allThatLeft()
    expect(all).toContain("mqtt connect")
    for (const secret of [pin, payload, Buffer.from(payload).toString("base64"), headerToken])
      expect(all).not.toContain(secret)
  })
})

describe("a collector that is not there, or not to be used", () => {
  it("changes nothing", async () => {
    await oneRun({ ...on(), OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" })
    expect(collector.requests).toEqual([])
  })

  it("gets nothing with OTEL_SDK_DISABLED", async () => {
    await oneRun({ ...on(), OTEL_SDK_DISABLED: "true" })
    expect(collector.requests).toEqual([])
  })
})

const isInside = (outer: Span | undefined) => (inner: Span) =>
  outer !== undefined &&
  BigInt(inner.startTimeUnixNano) >= BigInt(outer.startTimeUnixNano) &&
  BigInt(inner.endTimeUnixNano) <= BigInt(outer.endTimeUnixNano)
