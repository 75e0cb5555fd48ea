/** Reports as `tedge status` makes them. */
import type { ConnectionReport, StatusReport } from "../../../../src/cli/commands/status/report.ts"
import type { Snapshot } from "../../../../src/messages/status/snapshot.ts"

export const now = Date.UTC(2026, 4, 6, 11, 13, 40)

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const direction = (messages: ReadonlyArray<number>, waiting = 0, oldest_ms = 0) => ({
  messages: 48_211,
  bytes: 9_210_000,
  waiting,
  oldest_ms,
  held_back: 0,
  dropped: 0,
  history: { bucket_ms: 5_000, messages: [...messages], bytes: messages.map((count) => count * 120) }
})

const wave = Array.from({ length: 60 }, (_, index) => Math.round(20 + 20 * Math.sin(index / 4)))

export const snapshot: Snapshot = {
  version: 1,
  answer: "snapshot",
  at: now,
  service: {
    name: "tedge-mapper-c8y",
    version: "0.1.0",
    pid: 812,
    started_at: now - 3 * day - 4 * hour,
    uptime_ms: 3 * day,
    memory: { rss_bytes: 71_303_168, heap_bytes: 18_000_000 }
  },
  connection: {
    cloud: "c8y",
    device_id: "my-device",
    link: {
      host: "t.example",
      port: 8883,
      state: "up",
      since: now - 4 * hour,
      connections: 3,
      last_lost: { at: now - 4 * hour - 9_000, error: "connection lost: t.example:8883 closed the connection" }
    },
    handshake: "signed",
    certificate: {
      path: "/etc/tedge/device-certs/tedge-certificate.pem",
      subject: "CN=my-device",
      issuer: "CN=My CA, O=Example",
      key: "token",
      valid_from: now - 30 * day,
      valid_until: now + 335 * day,
      renew_from: now + 305 * day
    }
  },
  key: {
    via: "module",
    path: "/usr/lib/softhsm/libsofthsm2.so",
    uri: "pkcs11:token=my-token;object=my-key",
    signatures: {
      count: 3,
      failed: 0,
      last: { at: now - 4 * hour, took_ms: 12.4, outcome: "ok" },
      took_ms: 40,
      longest_ms: 15
    },
    tokens: [
      {
        token: "my-token",
        state: "there",
        pin: "ok",
        signatures: { count: 3, failed: 0, took_ms: 40, longest_ms: 15 }
      }
    ]
  },
  bridge: { state: "up", since: now - 4 * hour, outbound: direction(wave), inbound: direction(wave.map(() => 0)) },
  broker: { host: "127.0.0.1", port: 1883, state: "up", since: now - 3 * day, connections: 1 },
  supervisors: [],
  actors: [],
  log: []
}

const up: ConnectionReport = {
  cloud: "c8y",
  state: "up",
  host: "t.example",
  port: 8883,
  device_id: "my-device",
  bad: false,
  service: { name: "tedge-mapper-c8y", state: "up", bad: false, manager: "systemd", snapshot }
}

const linkDown: ConnectionReport = {
  ...up,
  cloud: "aws",
  profile: "second",
  state: "down",
  bad: true,
  service: {
    name: "tedge-mapper-aws@second",
    state: "up",
    bad: true,
    manager: "systemd",
    snapshot: {
      ...snapshot,
      connection: {
        cloud: "aws",
        profile: "second",
        device_id: "my-device",
        link: {
          host: "abc.iot.example",
          port: 8883,
          state: "down",
          since: now - 10 * minute,
          error_tag: "SigningFailed",
          error: "token 'my-token': The specified PIN is incorrect",
          hint: "check: tedge config get device.cryptoki.pin",
          retry_at: now + 42_000,
          attempt: 7,
          connections: 1
        }
      },
      key: {
        via: "module",
        path: "/usr/lib/softhsm/libsofthsm2.so",
        uri: "pkcs11:token=my-token",
        signatures: {
          count: 1,
          failed: 6,
          last: { at: now - 18_000, took_ms: 2, outcome: "SigningFailed" },
          took_ms: 12,
          longest_ms: 12
        },
        tokens: [
          {
            token: "my-token",
            state: "gone",
            since: now - 10 * minute,
            reason: "TokenNotFound",
            pin: "latched",
            signatures: { count: 1, failed: 6, took_ms: 12, longest_ms: 12 }
          }
        ]
      },
      bridge: {
        state: "down",
        since: now - 10 * minute,
        outbound: { ...direction(wave, 120, 580_000), held_back: 2, dropped: 1 },
        inbound: direction([])
      }
    }
  }
}

const stopped: ConnectionReport = {
  cloud: "az",
  state: "down",
  bad: true,
  host: "hub.example",
  port: 8883,
  service: {
    name: "tedge-mapper-az",
    state: "down",
    bad: true,
    manager: "systemd",
    since: now - 2 * hour,
    error: "'tedge-mapper-az' is not running (failed)",
    hint: "start it: tedge connect az"
  }
}

export const reports: Readonly<Record<string, StatusReport>> = {
  "all is up": { version: 1, at: now, connections: [up], services: [] },
  "a link is down, a token away, a service stopped": {
    version: 1,
    at: now,
    connections: [linkDown, stopped],
    services: [
      {
        name: "tedge-p11-server",
        state: "unknown",
        bad: false,
        manager: "systemd",
        error: "'tedge-p11-server' is running but did not respond within 1 s",
        hint: "see its log (journalctl -u tedge-p11-server), or restart it"
      }
    ]
  }
}
