/** Where the status page may be served: on this machine only. */
import { Effect, Result } from "effect"
import { describe, expect, it } from "vitest"
import { parseListenAddress } from "../../../../../src/cli/commands/status/page/page-server.ts"
import { tunnelTo } from "../../../../../src/cli/commands/status/page/status-page.ts"

const parsed = (text: string) => Effect.runSync(Effect.result(parseListenAddress(text)))

describe("--listen", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1", 0],
    ["127.0.0.1:8080", "127.0.0.1", 8080],
    ["127.3.2.1:1", "127.3.2.1", 1],
    ["localhost:9000", "127.0.0.1", 9000],
    ["::1", "::1", 0],
    ["[::1]:8080", "::1", 8080],
    ["[0:0:0:0:0:0:0:1]:8080", "0:0:0:0:0:0:0:1", 8080]
  ])("%s is this machine", (text, host, port) => {
    expect(parsed(text)).toEqual(Result.succeed({ host, port }))
  })

  it.each([
    "0.0.0.0",
    "0.0.0.0:80",
    "192.168.1.2:80",
    "[::]:80",
    "::",
    "[fe80::1]:80",
    "128.0.0.1",
    "[::2]:80",
    "[::ffff:127.0.0.1]:80",
    "::ffff:10.0.0.1"
  ])("%s is refused: others could reach it", (text) => {
    expect(parsed(text)).toMatchObject({ failure: { _tag: "ListenRefused", reason: "notLoopback" } })
  })

  it.each(["", "device.local", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:x", "[::1", "127.1", "http://127.0.0.1"])(
    "'%s' is no address",
    (text) => {
      expect(parsed(text)).toMatchObject({ failure: { _tag: "ListenRefused", reason: "malformed" } })
    }
  )
})

it.each([
  ["http://127.0.0.1:80/x/", "80:127.0.0.1:80"],
  ["http://127.0.0.1:8123/x/", "8123:127.0.0.1:8123"],
  ["http://[::1]:8123/x/", "8123:[::1]:8123"]
])("the page at %s is reached from another machine by its port", (url, ports) => {
  expect(tunnelTo(url)).toBe(`ssh -L ${ports} <DEVICE>`)
})
