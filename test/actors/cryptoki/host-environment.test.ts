/** What a token host is given of our environment, and what is kept of its module's words. */
import { describe, expect, it } from "vitest"
import { hostEnvironment } from "../../../src/actors/cryptoki/host-environment.ts"
import { moduleWords } from "../../../src/actors/cryptoki/module-words.ts"

describe("the environment of a token host", () => {
  it("has what modules read", () => {
    const wanted = {
      PATH: "/bin",
      LC_ALL: "C",
      SOFTHSM2_CONF: "/x",
      TPM2_PKCS11_STORE: "/s",
      TSS2_LOG: "all+none",
      P11_KIT_SERVER_ADDRESS: "unix:path=/p",
      DBUS_SESSION_BUS_ADDRESS: "unix:path=/d"
    }
    expect(hostEnvironment(wanted)).toEqual(wanted)
  })

  it("has nothing else: no PIN, nothing that loads code, nothing of our service manager", () => {
    const forbidden = {
      TEDGE_DEVICE_CRYPTOKI_PIN: "1",
      PKCS11_PIN: "1",
      TPM2_PKCS11_SOPIN: "1",
      LD_PRELOAD: "/evil.so",
      LD_LIBRARY_PATH: "/evil",
      NODE_OPTIONS: "--require /evil.js",
      LISTEN_FDS: "1",
      NOTIFY_SOCKET: "/run/x",
      AWS_SECRET_ACCESS_KEY: "x"
    }
    expect(hostEnvironment(forbidden)).toEqual({})
  })
})

describe("a module's words", () => {
  const said = (text: string, secret?: string) => {
    const words = moduleWords()
    if (secret) words.hide(secret)
    words.add(Buffer.from(text))
    return words.last()
  }

  it("are the last lines, as one", () => {
    expect(said("one\ntwo\n\nthree\nfour\n")).toBe("two; three; four")
    expect(said("")).toBe("")
  })

  it("carry no control characters and no PIN", () => {
    expect(said("\u001b[31mPIN 31415926\u0007 is bad\r\n", "31415926")).toBe("[31mPIN [REDACTED]  is bad")
  })

  it("are bounded however much it prints", () => {
    const words = moduleWords()
    for (let line = 0; line < 2000; line++) words.add(Buffer.from(`${"x".repeat(100)}\n`))
    expect(words.last().length).toBeLessThan(5000)
  })
})
