/** Which hosts `proxy.no_proxy` means. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { goesDirectly } from "../../../src/platform/network/https-client.ts"

describe("a host is reached without the proxy", () => {
  it.each([
    ["example.com", "example.com"],
    ["example.com", "a.b.example.com"],
    [".example.com", "example.com"],
    [".example.com", "a.example.com"],
    ["EXAMPLE.com", "Example.COM"],
    [" x.org , example.com ", "example.com"],
    ["*", "anything.example"],
    ["*", "::1"],
    ["127.0.0.1", "127.0.0.1"],
    ["192.168.1.0/24", "192.168.1.255"],
    ["0.0.0.0/0", "8.8.8.8"],
    ["::1", "[::1]"],
    ["[::1]", "::1"],
    ["fd00::/8", "fd12:3456::1"]
  ])("'%s' names %s", (noProxy, host) => {
    expect(goesDirectly(noProxy, host)).toBe(true)
  })

  it.each([
    [undefined, "example.com"],
    ["", "example.com"],
    [",, ", "example.com"],
    ["example.com", "badexample.com"],
    ["a.example.com", "example.com"],
    ["example.com", "example.com.evil"],
    ["192.168.1.0/24", "192.168.2.1"],
    ["192.168.1.0", "192.168.1.1"],
    ["192.168.1.0/33", "192.168.1.1"],
    ["192.168.1.0/", "192.168.1.1"],
    ["192.168.1.0/24/8", "192.168.1.1"],
    ["fd00::/8", "fe00::1"],
    ["1.0/8", "1.0.0.1"],
    ["com", "127.0.0.1"]
  ])("'%s' does not name %s", (noProxy, host) => {
    expect(goesDirectly(noProxy, host)).toBe(false)
  })

  it("whatever stands there, it is an answer", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (noProxy, host) => {
        expect(goesDirectly(noProxy, host)).toBeTypeOf("boolean")
      })
    )
  })

  it("a network holds each of its addresses", () => {
    const byte = fc.nat(255)
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), fc.nat(32), (bytes, size) => {
        expect(goesDirectly(`${bytes.join(".")}/${size}`, bytes.join("."))).toBe(true)
      })
    )
  })
})
