/** The files mosquitto reads, and the marker other programs look for. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import {
  forgetsPerListener,
  hasTwoKindsOfListeners,
  isOnlyMarker,
  isUnverified,
  markerText,
  tedgeMosquittoConf
} from "../../../src/actors/connect/mosquitto-conf.ts"
import { fileWithAccessRules, readMosquittoConf } from "../../../src/actors/connect/read-mosquitto-conf.ts"
import type { CloudSettings, LocalBrokerSettings } from "../../../src/messages/settings/resolved-settings.ts"

type External = LocalBrokerSettings["external"]

const none: External = {
  bindPort: undefined,
  bindAddress: undefined,
  bindInterface: undefined,
  caPath: undefined,
  certFile: undefined,
  keyFile: undefined
}

/** Mosquitto's own bound of 1,000 messages for a client loses the rest of a longer outage in silence. */
const outage = ["max_queued_messages 100000", "max_queued_bytes 67108864"]

const conf = (external: Partial<External> = {}): ReadonlyArray<string> => {
  const settings = { bindPort: 1884, bindAddress: "127.0.0.1", external: { ...none, ...external } }
  return tedgeMosquittoConf(settings as LocalBrokerSettings, "per listener").split("\n")
}

describe("tedge-mosquitto.conf", () => {
  it("is what thin-edge writes, and then what keeps messages through an outage", () => {
    expect(conf()).toEqual([
      "per_listener_settings true",
      "connection_messages true",
      "log_type error",
      "log_type warning",
      "log_type notice",
      "log_type information",
      "log_type subscribe",
      "log_type unsubscribe",
      "message_size_limit 16777216",
      "listener 1884 127.0.0.1",
      "allow_anonymous true",
      "require_certificate false",
      ...outage,
      ""
    ])
  })

  it("leaves per_listener_settings out where one rule holds for the whole broker", () => {
    const settings = { bindPort: 1884, bindAddress: "127.0.0.1", external: none } as LocalBrokerSettings
    const [first, ...rest] = conf()
    expect(first).toBe("per_listener_settings true")
    expect(tedgeMosquittoConf(settings, "per broker").split("\n")).toEqual(rest)
  })

  it("needs rules for each listener where one of the two asks for certificates", () => {
    const kinds = (external: Partial<External>) =>
      hasTwoKindsOfListeners({ external: { ...none, ...external } } as LocalBrokerSettings)
    expect([kinds({}), kinds({ bindPort: 8883 }), kinds({ caPath: "/ca" })]).toEqual([false, false, false])
    expect(kinds({ bindPort: 8883, caPath: "/ca" })).toBe(true)
  })

  it.each([
    [undefined, false],
    ["2.0.11", false],
    ["2.0.12", true],
    ["2.0.21", true],
    ["2.0.22", true],
    ["2.0.23", false],
    ["2.1.0", false],
    ["1.6.12", false]
  ])("knows whether mosquitto %s keeps nothing with per_listener_settings: %s", (version, forgets) => {
    expect(forgetsPerListener(version)).toBe(forgets)
  })

  it("opens a second listener for other hosts when its port is set", () => {
    expect(conf({ bindPort: 8883 }).slice(12)).toEqual([
      "listener 8883",
      "allow_anonymous true",
      "require_certificate false",
      ...outage,
      ""
    ])
  })

  it("requires certificates from other hosts if a CA for them is configured", () => {
    const external = {
      bindPort: 8883,
      bindAddress: "0.0.0.0",
      bindInterface: "wlan0",
      caPath: "/ca",
      certFile: "/cert",
      keyFile: "/key"
    }
    expect(conf(external).slice(12)).toEqual([
      "listener 8883 0.0.0.0",
      "allow_anonymous false",
      "require_certificate true",
      "bind_interface wlan0",
      "capath /ca",
      "certfile /cert",
      "keyfile /key",
      ...outage,
      ""
    ])
  })
})

describe("access rules of other files", () => {
  const inFiles = (files: Readonly<Record<string, string>>, check: (dir: string) => void): void => {
    const dir = mkdtempSync(join(tmpdir(), "tedge-mosquitto-conf-"))
    try {
      for (const sub of ["conf.d", "tedge/mosquitto-conf"]) mkdirSync(join(dir, sub), { recursive: true })
      for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
      check(dir)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }
  const found = (dir: string): string | undefined =>
    fileWithAccessRules(
      readMosquittoConf({ settings: { configDir: join(dir, "tedge") } as CloudSettings }, join(dir, "mosquitto.conf"))
    )

  const debian = (dir: string): string =>
    `# allow_anonymous false\npersistence true\nlog_dest syslog\ninclude_dir ${dir}/conf.d\ninclude_dir ${dir}/tedge/mosquitto-conf\n`

  it("are none in Debian's own file and in ours", () =>
    inFiles({ "tedge/mosquitto-conf/tedge-mosquitto.conf": "listener 1883\nallow_anonymous true\n" }, (dir) => {
      writeFileSync(join(dir, "mosquitto.conf"), debian(dir))
      expect(found(dir)).toBeUndefined()
    }))

  it.each([
    "listener 8883 0.0.0.0",
    "allow_anonymous false",
    "password_file /etc/mosquitto/passwd",
    "acl_file /etc/mosquitto/acl",
    "per_listener_settings true",
    "plugin /usr/lib/mosquitto_dynamic_security.so"
  ])("are found in an included file: %s", (line) =>
    inFiles({ "conf.d/site.conf": `  ${line}\n` }, (dir) => {
      writeFileSync(join(dir, "mosquitto.conf"), debian(dir))
      expect(found(dir)).toBe(join(dir, "conf.d/site.conf"))
    })
  )

  it("are found beside our file, also where no mosquitto.conf can be read", () =>
    inFiles({ "tedge/mosquitto-conf/zz-site.conf": "acl_file /acl\n" }, (dir) =>
      expect(found(dir)).toBe(join(dir, "tedge/mosquitto-conf/zz-site.conf"))
    ))
})

describe("the marker of a connection", () => {
  it("is no bridge, verified or not", () => {
    expect([isOnlyMarker(markerText("verified")), isOnlyMarker(markerText("unverified"))]).toEqual([true, true])
    expect(isOnlyMarker("# x\nconnection edge_to_c8y\n")).toBe(false)
  })

  it("remembers whether a check has succeeded", () => {
    expect([isUnverified(markerText("verified")), isUnverified(markerText("unverified"))]).toEqual([false, true])
  })
})
