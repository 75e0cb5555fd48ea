/** Texts and TOML values to values and back, for every type of setting. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { durationMs } from "../../../src/messages/settings/duration.ts"
import { parseHostPort, printHostPort } from "../../../src/messages/settings/host-port.ts"
import type { SettingType } from "../../../src/messages/settings/setting.ts"
import { settingByKey } from "../../../src/messages/settings/setting-name.ts"
import {
  choice,
  hostPort,
  port,
  portNotZero,
  setInTopic,
  textInTopic
} from "../../../src/messages/settings/setting-types.ts"
import { settingsTable } from "../../../src/messages/settings/settings-table.ts"
import { parseText, parseToml, printValue } from "../../../src/messages/settings/value.ts"

const parsedText = (type: SettingType, text: string, directory = "/dir") => {
  const parsed = parseText(type, text, directory)
  return parsed.ok ? parsed.value : parsed.problem
}

describe("a value given as text", () => {
  it.each([
    [{ kind: "boolean" }, "true", true],
    [{ kind: "boolean" }, "yes", { kind: "not-boolean" }],
    [port, "0", 0],
    [portNotZero, "0", { kind: "out-of-range", min: 1, max: 65535 }],
    [port, "65536", { kind: "out-of-range", min: 0, max: 65535 }],
    [port, "1e3", { kind: "not-integer" }],
    [port, "-1", { kind: "not-integer" }],
    [{ kind: "path" }, "certs/../a//b/", "/dir/a/b"],
    [{ kind: "path" }, "/x/./y", "/x/y"],
    [{ kind: "path" }, "../../../..", "/"],
    [{ kind: "host" }, "tenant.cumulocity.com", "tenant.cumulocity.com"],
    [{ kind: "host" }, "https://tenant.cumulocity.com", { kind: "not-a-host" }],
    [{ kind: "host" }, "tenant.cumulocity.com:8883", { kind: "not-a-host" }],
    [{ kind: "host" }, "[fe80::1]", "[fe80::1]"],
    [{ kind: "host" }, "", { kind: "not-a-host" }],
    [hostPort(8883), "h:x", { kind: "not-a-host-port", part: "port" }],
    [hostPort(8883), "h:0", { kind: "not-a-host-port", part: "port" }],
    [hostPort(8883), "a b:1", { kind: "not-a-host-port", part: "host" }],
    [{ kind: "ip" }, "0.0.0.0", "0.0.0.0"],
    [{ kind: "ip" }, "::1", "::1"],
    [{ kind: "ip" }, "256.0.0.1", { kind: "not-an-ip" }],
    [{ kind: "ip" }, "localhost", { kind: "not-an-ip" }],
    [{ kind: "duration" }, "1h 30m", "1h 30m"],
    [{ kind: "duration" }, "soon", { kind: "not-a-duration" }],
    [{ kind: "keep-alive" }, "1s", "1s"],
    [{ kind: "keep-alive" }, "1500ms", "1500ms"],
    [{ kind: "keep-alive" }, "65535", "65535"],
    [{ kind: "keep-alive" }, "0", "0"],
    [{ kind: "keep-alive" }, "0s", "0s"],
    [{ kind: "keep-alive" }, "400ms", { kind: "not-a-keep-alive" }],
    [{ kind: "keep-alive" }, "10us", { kind: "not-a-keep-alive" }],
    [{ kind: "keep-alive" }, "65536s", { kind: "not-a-keep-alive" }],
    [{ kind: "keep-alive" }, "2d", { kind: "not-a-keep-alive" }],
    [{ kind: "keep-alive" }, "soon", { kind: "not-a-duration" }],
    [{ kind: "set" }, "a, b", ["a", "b"]],
    [{ kind: "set" }, " a,, te/+/#, ", ["a", "te/+/#"]],
    [{ kind: "set" }, "", []],
    [setInTopic, "a, b,", ["a", "b"]],
    [setInTopic, "a,b+", { kind: "wildcard", character: "+" }],
    [setInTopic, "a,#", { kind: "wildcard", character: "#" }],
    [textInTopic, " te ", "te"],
    [textInTopic, "te/#", { kind: "wildcard", character: "#" }],
    [{ kind: "limits" }, "*:5, software_list:1", ["*:5", "software_list:1"]],
    [{ kind: "limits" }, "five", { kind: "not-limits" }],
    [{ kind: "file-mode" }, "rw-rw----", { kind: "not-a-file-mode" }],
    [{ kind: "file-mode" }, "888", { kind: "not-a-file-mode" }],
    [{ kind: "topic-prefix" }, "c8y", "c8y"],
    [{ kind: "topic-prefix" }, "", { kind: "bad-topic-prefix", because: "empty" }],
    [{ kind: "topic-prefix" }, "a#", { kind: "bad-topic-prefix", because: "hash" }],
    [{ kind: "topic-prefix" }, "a+", { kind: "bad-topic-prefix", because: "plus" }],
    [{ kind: "topic-prefix" }, "c8y-internal", { kind: "bad-topic-prefix", because: "reserved" }],
    [{ kind: "topic-id" }, "device/main//", "device/main//"],
    [{ kind: "topic-id" }, "device/main", { kind: "bad-topic-id" }],
    [{ kind: "proxy-url" }, "proxy.example:3128", "proxy.example:3128"],
    [{ kind: "proxy-url" }, "https://proxy.example", "https://proxy.example"],
    [{ kind: "proxy-url" }, "socks5://proxy.example", { kind: "bad-proxy-url", because: "scheme" }],
    [{ kind: "proxy-url" }, "http://user@proxy.example", { kind: "bad-proxy-url", because: "username" }],
    [{ kind: "proxy-url" }, "http://:pw@proxy.example", { kind: "bad-proxy-url", because: "password" }],
    [{ kind: "proxy-url" }, "http://proxy.example/path", { kind: "bad-proxy-url", because: "syntax" }],
    [choice("off", "module"), "on", { kind: "not-a-choice", choices: ["off", "module"] }],
    [{ kind: "choice", choices: ["basic"], synonyms: { password: "basic" } }, "password", "basic"]
  ] satisfies ReadonlyArray<readonly [SettingType, string, unknown]>)("%j: %s", (type, text, value) => {
    expect(parsedText(type, text)).toEqual(value)
  })
})

describe("a value in tedge.toml", () => {
  it.each([
    [{ kind: "text" }, 123456, { kind: "wrong-type", expected: "string", found: "integer" }],
    [{ kind: "text" }, 1.5, { kind: "wrong-type", expected: "string", found: "float" }],
    [{ kind: "boolean" }, "true", true],
    [{ kind: "boolean" }, 1, { kind: "wrong-type", expected: "boolean", found: "integer" }],
    [port, 1883, 1883],
    [port, 70000, { kind: "out-of-range", min: 0, max: 65535 }],
    [{ kind: "duration" }, 60, "60"],
    [{ kind: "keep-alive" }, 60, "60"],
    [{ kind: "keep-alive" }, 65_536, { kind: "not-a-keep-alive" }],
    [{ kind: "set" }, ["a", " b", " "], ["a", "b"]],
    [setInTopic, ["a", "b#"], { kind: "wildcard", character: "#" }],
    [{ kind: "set" }, "a, b", ["a", "b"]],
    [{ kind: "set" }, [1], { kind: "wrong-type", expected: "array of strings", found: "array" }],
    [choice("true", "false", "auto"), true, "true"],
    [{ kind: "text" }, new Date(0), { kind: "wrong-type", expected: "string", found: "date" }]
  ] satisfies ReadonlyArray<readonly [SettingType, unknown, unknown]>)("%j: %j", (type, given, value) => {
    const parsed = parseToml(type, given, "/dir")
    expect(parsed.ok ? parsed.value : parsed.problem).toEqual(value)
  })
})

describe("a setting whose value becomes a part of topics", () => {
  it.each(["c8y.smartrest.templates", "c8y.smartrest1.templates", "mqtt.topic_root"])(
    "refuses a wildcard: %s",
    (key) => {
      const type = settingByKey(key)?.type ?? { kind: "text" }
      expect(parsedText(type, "a/+")).toEqual({ kind: "wildcard", character: "+" })
    }
  )

  it.each(["c8y.topics", "c8y.mqtt_service.topics"])("is none that holds filters: %s", (key) => {
    expect(parsedText(settingByKey(key)?.type ?? { kind: "text" }, "a/+/#, b")).toEqual(["a/+/#", "b"])
  })
})

describe("a value with a control character", () => {
  const characters = fc.constantFrom(
    "\n",
    "\r",
    "\0",
    "\u001b",
    "\t",
    "\u007f",
    "\u0085",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u2028"
  )
  const place = fc.tuple(fc.string(), characters, fc.string())

  it("is refused for every setting there is, as a text and in the file", () =>
    fc.assert(
      fc.property(fc.constantFrom(...settingsTable), place, ({ type }, [before, character, after]) => {
        const codePoint = /^U\+[0-9A-F]{4}$/
        const problem = { kind: "control-character", character: expect.stringMatching(codePoint) }
        const text = `${before}${character}${after}`
        expect(parsedText(type, text)).toEqual(problem)
        for (const given of type.kind === "set" || type.kind === "limits" ? [text, ["a", text]] : [text]) {
          const parsed = parseToml(type, given, "/dir")
          expect(parsed.ok ? parsed.value : parsed.problem).toEqual(problem)
        }
      })
    ))
})

describe("a printed value", () => {
  it("is a list in brackets for a set, with the port for an endpoint, else as it was typed", () => {
    expect(printValue({ kind: "set" }, ["a", 'b"c'])).toBe('["a", "b\\"c"]')
    expect(printValue(hostPort(443), "tenant.example")).toBe("tenant.example:443")
    expect(printValue(hostPort(443), "[::1]:8443")).toBe("[::1]:8443")
    expect(printValue({ kind: "duration" }, "1h 30m")).toBe("1h 30m")
    expect(printValue({ kind: "limits" }, ["*:5", "software_list:1"])).toBe("*:5, software_list:1")
  })
})

describe("durations", () => {
  it.each([
    ["0", 0],
    ["60", 60_000],
    ["60s", 60_000],
    ["1h 30m", 5_400_000],
    ["1h30min", 5_400_000],
    ["365d", 31_536_000_000],
    ["2 weeks", 1_209_600_000],
    ["1500ms", 1500],
    ["1y", 31_557_600_000],
    ["1M", 2_630_016_000],
    ["10 parsecs", undefined],
    ["s", undefined],
    ["-1s", undefined],
    ["1.5h", undefined],
    ["", undefined]
  ])("'%s' is %s ms", (text, ms) => {
    expect(durationMs(text)).toBe(ms)
  })
})

describe("hosts with ports", () => {
  it("parse back whatever is printed", () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (name, number) => {
        expect(parseHostPort(printHostPort({ host: name, port: number }), 1)).toEqual({ host: name, port: number })
      })
    )
  })
})
