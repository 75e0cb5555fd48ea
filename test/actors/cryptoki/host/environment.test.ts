/** What a token host is given of our environment, and what is kept of its module's words. */
import { describe, expect, it } from "vitest"
import { moduleOutput } from "../../../../src/actors/cryptoki/host/child-process.ts"
import { hostEnvironment } from "../../../../src/actors/cryptoki/host/environment.ts"
import { oneArena } from "../../../../src/platform/process/node-options.ts"

describe("the environment of a token host", () => {
  it("has what vendors' modules read", () => {
    const wanted = {
      PATH: "/bin",
      LC_ALL: "C",
      SOFTHSM2_CONF: "/x",
      TPM2_PKCS11_STORE: "/s",
      TSS2_LOG: "all+none",
      P11_KIT_SERVER_ADDRESS: "unix:path=/p",
      DBUS_SESSION_BUS_ADDRESS: "unix:path=/d",
      PKCS11SPY: "/usr/lib/vendor.so",
      PKCS11SPY_OUTPUT: "/var/log/spy",
      YUBIHSM_PKCS11_CONF: "/etc/yubihsm.conf",
      KRYOPTIC_CONF: "/etc/kryoptic.conf",
      CKTEEC_LOGIN_TYPE: "user",
      CKTEEC_LOGIN_GID: "1000",
      CKNFAST_LOADSHARING: "1",
      CKNFAST_TOKENS_PERSISTENT: "1",
      ChrystokiConfigurationPath: "/etc/luna",
      CS_PKCS11_R3_CFG: "/etc/utimaco/cs_pkcs11_R3.cfg",
      PARSEC_SERVICE_ENDPOINT: "unix:/run/parsec/parsec.sock",
      WOLFPKCS11_TOKEN_PATH: "/var/lib/wolf",
      LD_LIBRARY_PATH: "/opt/vendor/lib",
      GLIBC_TUNABLES: "glibc.rtld.optional_static_tls=4096",
      "a vendor's own": "1"
    }
    expect(hostEnvironment(wanted)).toEqual({ ...oneArena, ...wanted })
  })

  it("has no secret, nothing that loads code, nothing of Node and of our service manager", () => {
    const forbidden = {
      TEDGE_DEVICE_CRYPTOKI_PIN: "1",
      TEDGE_DEVICE_ID: "x",
      C8Y_BASEURL: "x",
      PKCS11_PIN: "1",
      MY_PIN_FILE: "1",
      TPM2_PKCS11_SOPIN: "1",
      tpm2_pin: "1",
      LD_PRELOAD: "/evil.so",
      LD_AUDIT: "/evil.so",
      NODE_OPTIONS: "--require /evil.js",
      NODE_EXTRA_CA_CERTS: "/ca.pem",
      LISTEN_FDS: "1",
      LISTEN_FDNAMES: "x",
      NOTIFY_SOCKET: "/run/x",
      GLIBC_TUNABLES: "glibc.malloc.tcache_count=0",
      WATCHDOG_USEC: "1",
      CREDENTIALS_DIRECTORY: "/run/credentials/x",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=x",
      DEVICE_ONE_TIME_PASSWORD: "x",
      GITHUB_TOKEN: "x",
      AWS_SECRET_ACCESS_KEY: "x",
      SSH_PASSPHRASE: "x"
    }
    expect(hostEnvironment(forbidden)).toEqual(oneArena)
  })
})

describe("a module's words", () => {
  const said = (text: string, secret?: string) => {
    const words = moduleOutput()
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
    const words = moduleOutput()
    for (let line = 0; line < 2000; line++) words.add(Buffer.from(`${"x".repeat(100)}\n`))
    expect(words.last().length).toBeLessThan(5000)
  })
})
