/**
 * A Cumulocity to connect to: mosquitto (TLS 1.3 only, client certificates required) and a responder that plays the tenant.
 *
 * The responder talks to mosquitto over a UNIX socket, so nothing but TLS is reachable over the network.
 * Topics of a mosquitto are shared by its clients: one device per fake cloud.
 * Source: Cumulocity SmartREST 2.0 static templates 100 (create device), 40/41 (errors), 71 (token).
 */
import { mkdirSync } from "node:fs"
import { connect as connectSocket } from "node:net"
import { join } from "node:path"
import mqtt from "mqtt"
import { startOnFreePort } from "../free-port.mjs"
import { startMosquitto } from "./mosquitto.mjs"

/** `ca`: as from createTestCa. `dir` is created. `host`: its name, as devices that are not on this machine know it. */
export const startFakeCloud = async ({ dir, ca, host = "localhost", trace }) => {
  mkdirSync(dir, { recursive: true })
  const server = await ca.issueServer(host, [`DNS:${host}`, "IP:127.0.0.1"])
  const socketPath = join(dir, "responder.sock")
  let trusted = ca.certificate
  const configOn = (port) => cloudConfig(port, socketPath, server, trusted)
  const launch = (port) => startMosquitto({ dir, config: configOn(port), readyWhen: socketPath, trace })
  let { started: broker, port } = await startOnFreePort(launch)
  const responder = await startResponder(socketPath, host)
  const start = async () => {
    broker = await startMosquitto({ dir, config: configOn(port), readyWhen: socketPath })
    await responder.connected()
  }
  return {
    host,
    port,
    /** What `c8y.mqtt` wants. */
    address: `${host}:${port}`,
    /** What `c8y.root_cert_path` wants. */
    caFile: ca.certificate,
    ...responder.face,
    log: () => broker.log(),
    /** Ports closed, connections cut. `SIGKILL`: without a goodbye. */
    stopBroker: (signal) => broker.stop(signal),
    /** On the same port as before. */
    startBroker: start,
    /** Connections stay, nothing is answered. */
    freeze: () => broker.signal("SIGSTOP"),
    thaw: () => broker.signal("SIGCONT"),
    /** From now on only certificates of this authority are accepted. Restarts the broker. */
    trustOnly: async (caFile) => {
      trusted = caFile
      await broker.stop()
      await start()
    },
    close: async () => {
      await responder.close()
      broker.signal("SIGCONT")
      await broker.stop()
    }
  }
}

const cloudConfig = (port, socketPath, server, trustedCa) => [
  "per_listener_settings true",
  // For a responder that is slower than the device; by default it drops what comes after 1,000.
  "max_queued_messages 0",
  `listener 0 ${socketPath}`,
  "allow_anonymous true",
  `listener ${port} localhost`,
  "allow_anonymous false",
  `cafile ${trustedCa}`,
  `certfile ${server.certificate}`,
  `keyfile ${server.key}`,
  "tls_version tlsv1.3",
  "require_certificate true",
  "use_identity_as_username true"
]

/** What the tenant does when nothing else is asked of it. */
const goodManners = {
  /** Answers a request on `s/uat`. */
  answersToken: true,
  /** Sent on `s/e` for each device creation, instead of accepting it. */
  refuseCreation: undefined
}

const startResponder = async (socketPath, host) => {
  /** `issuer`: `iss` of the token, the tenant the device sees itself connected to. */
  const behaviour = { ...goodManners, issuer: host }
  const received = []
  const devices = []
  const waiting = new Set()
  const client = new mqtt.MqttClient(() => connectSocket(socketPath), {
    clientId: "responder",
    reconnectPeriod: 50,
    keepalive: 0,
    protocolVersion: 5,
    properties: {}
  })
  let subscribed = false
  client.on("connect", () => {
    client.subscribe({ "#": { qos: 1, nl: true } }, () => {
      subscribed = true
      for (const check of waiting) check()
    })
  })
  client.on("close", () => {
    subscribed = false
  })
  client.on("error", () => undefined) // it reconnects; what is missing then shows in waitFor
  client.on("message", (topic, payload, packet) => {
    const message = { topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain }
    received.push(message)
    for (const [to, text] of answer(message, behaviour, devices)) client.publish(to, text, { qos: 0 })
    for (const check of waiting) check()
  })

  /** Resolves when `found` answers something, looking again after each event. */
  const eventually = (found, what, timeoutMs) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const value = found()
        if (value === undefined) return
        clearTimeout(timer)
        waiting.delete(check)
        resolve(value)
      }
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`the cloud did not see ${what} within ${timeoutMs} ms; it saw ${JSON.stringify(received)}`))
      }, timeoutMs)
      waiting.add(check)
      check()
    })

  const connected = () => eventually(() => (subscribed ? true : undefined), "its own responder", 30_000)
  await connected()
  return {
    connected,
    close: () => client.endAsync(true),
    face: {
      /** Everything devices have published, oldest first. */
      received,
      /** Ids of the devices created. */
      devices,
      behave: (changes) => Object.assign(behaviour, changes),
      /** Sends to the device. */
      publish: (topic, payload, qos = 1) => client.publishAsync(topic, payload, { qos }),
      /** The first message for which `wanted` is true, also if it came before. `what` names it in the error. */
      waitFor: (wanted, what = "the expected message", timeoutMs = 30_000) =>
        eventually(() => received.find(wanted), what, timeoutMs)
    }
  }
}

/** The messages with which a tenant answers one of a device: [topic, payload]. */
const answer = ({ topic, payload }, behaviour, devices) => {
  if (topic === "s/uat") return behaviour.answersToken ? [["s/dat", `71,${token(behaviour.issuer)}`]] : []
  if (topic === "s/us") return payload.split("\n").flatMap((line) => answerLine(line, behaviour, devices))
  return []
}

const answerLine = (line, behaviour, devices) => {
  const [template, id] = line.split(",")
  if (template === "100") return answerCreation(id, behaviour, devices)
  if (template === "123") return [["s/ds", `124,${id ?? ""}`]]
  if (/^\d{3}$/.test(template)) return []
  return [["s/e", `40,${template},No static template for this message id`]]
}

const answerCreation = (id, { refuseCreation }, devices) => {
  if (refuseCreation !== undefined) return [["s/e", refuseCreation]]
  if (devices.includes(id)) return [["s/e", "41,100,Device already existing"]]
  devices.push(id)
  return []
}

/** A JSON Web Token in form; its signature is not checked. */
const token = (issuer) =>
  [{ alg: "RS256", typ: "JWT" }, { iss: issuer, sub: "device" }, "signature"]
    .map((part) => Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url"))
    .join(".")
