/** The files mosquitto reads, and the marker other programs look for. */
import { describe, expect, it } from "vitest"
import {
  isOnlyMarker,
  isUnverified,
  markerText,
  tedgeMosquittoConf
} from "../../../src/actors/connect/mosquitto-conf.ts"
import type { LocalBrokerSettings } from "../../../src/messages/settings/resolved-settings.ts"

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
  return tedgeMosquittoConf(settings as LocalBrokerSettings).split("\n")
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

  it("opens a second listener for other hosts when its port is set", () => {
    expect(conf({ bindPort: 8883 }).slice(12)).toEqual([
      "listener 8883",
      "allow_anonymous true",
      "require_certificate false",
      ...outage,
      ""
    ])
  })

  it("wants certificates from other hosts when there is somebody who vouches for them", () => {
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

describe("the marker of a connection", () => {
  it("is no bridge, verified or not", () => {
    expect([isOnlyMarker(markerText("verified")), isOnlyMarker(markerText("unverified"))]).toEqual([true, true])
    expect(isOnlyMarker("# x\nconnection edge_to_c8y\n")).toBe(false)
  })

  it("remembers whether a check has succeeded", () => {
    expect([isUnverified(markerText("verified")), isUnverified(markerText("unverified"))]).toEqual([false, true])
  })
})
