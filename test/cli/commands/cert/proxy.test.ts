/** `tedge cert download | renew | upload` and the doctor through an HTTP proxy, which alone knows the way. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { brokerThatSends, type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type ConnectProxy, type ConnectProxyOptions, startConnectProxy } from "../../../support/tls/connect-proxy.ts"
import { type EstServer, startEstServer, tenantUser } from "../../../support/tls/est-server.ts"
import { makeServerCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"

/** No resolver has it (RFC 6761, 6.4): only through the proxy it is reachable. */
const name = "tenant.invalid"
const address = `${name}:8443`

let pki: TestPki
let tenant: EstServer
let proxy: ConnectProxy
let dir: string
let device: InProcess

beforeEach(async () => {
  dir = tempDir()
  pki = testPki()
  const { certPem, keyPem } = makeServerCertificate(pki.ca, { names: `DNS:${name},DNS:localhost` })
  tenant = await startEstServer(pki, { cert: certPem, key: keyPem })
  tenant.state.registered.set("dev", "secret-otp")
  tenant.state.tokens.add("aa.bb.cc")
  device = tedgeInProcess(dir, { localBroker: brokerThatSends(["71,aa.bb.cc"]) })
  await startProxy()
})

afterEach(async () => {
  await proxy.close()
  await tenant.close()
  pki.remove()
})

const startProxy = async (options: ConnectProxyOptions = {}): Promise<void> => {
  await proxy?.close()
  proxy = await startConnectProxy({
    hosts: { [address]: tenant.address },
    ...options
  })
  use()
}

const use = (more = "", url = proxy.url): void =>
  device.settings(
    `c8y.url = "${name}"\nc8y.http = "${address}"\nc8y.mqtt = "${address}"\nc8y.root_cert_path = "${pki.caFile}"\nproxy.address = "${url}"\n${more}`
  )

const download = (maxTimeout = "0s", ...words: ReadonlyArray<string>) => {
  const login = ["--device-id", "dev", "-p", "secret-otp"]
  return device.tedge(["cert", "download", "c8y", ...login, "--max-timeout", maxTimeout, ...words])
}
const upload = () =>
  device.tedge(["cert", "upload", "c8y", "--user", tenantUser.user, "--password", tenantUser.password])

describe("through the proxy of the settings", () => {
  it("a certificate is downloaded, renewed and uploaded, and the proxy learns nothing but the host", async () => {
    expect(await download("1m")).toMatchObject({ code: 0, stderr: expect.stringContaining("downloaded successfully") })
    const renewed = await device.tedge(["cert", "renew"])
    expect(renewed.code, renewed.stderr).toBe(0)
    use('device.id = "dev"')
    const uploaded = await upload()
    expect([uploaded.code, uploaded.stderr]).toEqual([0, "New device certificate uploaded successfully.\n"])
    expect(new Set(proxy.asked)).toEqual(new Set([address]))
    expect(proxy.asked.length).toBeGreaterThanOrEqual(4)
    const carried = proxy.carried().toString("latin1")
    for (const secret of ["secret-otp", "aa.bb.cc", Buffer.from("dev:secret-otp").toString("base64"), "simpleenroll"])
      expect(carried).not.toContain(secret)
  })

  it("the login of the proxy is sent to it and never printed", async () => {
    await startProxy({ login: "pröxy-user:pr0xy:pass" })
    use('proxy.username = "pröxy-user"\nproxy.password = "pr0xy:pass"')
    expect((await download("1m")).code).toBe(0)
    use('proxy.username = "pröxy-user"\nproxy.password = "wr0ng-pass"')
    const refused = await download()
    expect([refused.code, refused.stdout]).toEqual([1, ""])
    expect(refused.stderr).toContain(
      `error: https://${address}/.well-known/est/simpleenroll cannot be reached through the proxy '${proxy.url}': 407 Proxy Authentication Required\n` +
        "hint: check proxy.username and proxy.password\n"
    )
    expect((await device.tedge(["hsm", "doctor"])).stdout).not.toContain("wr0ng-pass")
  })

  it("a proxy over TLS is one that is trusted", async () => {
    const { certPem, keyPem } = makeServerCertificate(pki.ca, { names: "DNS:localhost" })
    await startProxy({ tls: { cert: certPem, key: keyPem } })
    expect((await download("1m")).code).toBe(0)
    const foreign = testPki()
    const other = makeServerCertificate(foreign.ca, { names: "DNS:localhost" })
    await startProxy({ tls: { cert: other.certPem, key: other.keyPem } })
    const distrusted = await download("10m")
    expect([distrusted.code, distrusted.stderr]).toEqual([
      1,
      expect.stringMatching(/through the proxy 'https:.*': UNABLE_TO_GET_ISSUER|SELF_SIGNED/)
    ])
    expect(proxy.asked).toEqual([])
    foreign.remove()
  })

  it("the tenant is trusted by its own certificate only", async () => {
    const foreign = testPki()
    use(
      `[c8y.profiles.p]\nurl = "${name}"\nhttp = "${address}"\nroot_cert_path = "${foreign.caFile}"\ndevice.id = "dev"`
    )
    const done = await download("0s", "--profile", "p")
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("UNABLE_TO_GET_ISSUER")])
    expect(tenant.requests).toEqual([])
    foreign.remove()
  })
})

describe("a proxy that gives no way", () => {
  it.each([
    ["HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden", "proxy.no_proxy"],
    ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required", "proxy.username"]
  ])("is told at once, since waiting does not help: %j", async (answer, sentence, hint) => {
    await startProxy({ answer })
    const done = await download("10m")
    expect([done.code, done.stderr.match(/^error: /gm)]).toEqual([1, ["error: "]])
    expect(done.stderr).toContain(`cannot be reached through the proxy '${proxy.url}': ${sentence}\n`)
    expect(done.stderr).toMatch(new RegExp(`^hint: .*${hint}`, "m"))
    expect([proxy.asked.length, existsSync(device.certPath)]).toEqual([1, false])
  })

  it.each([
    ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"],
    ["SSH-2.0-OpenSSH\r\n\r\n", "it does not speak HTTP"],
    ["", "it closed the connection"]
  ])("is asked again while there is time, when that may pass: %j", async (answer, sentence) => {
    await startProxy({ answer })
    const done = await download("200ms", "--retry-every", "10ms")
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining(sentence)])
    expect(proxy.asked.length).toBeGreaterThan(1)
    expect(done.stderr).toContain("Maximum timeout elapsed")
  })

  it("is reported if the connection is refused", async () => {
    const { url } = proxy
    await proxy.close()
    use("", url)
    const done = await upload().then(() => download())
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining(`through the proxy '${url}': ECONNREFUSED`)])
  })

  it("does not keep a command waiting for longer than it may", async () => {
    await startProxy({ silent: true })
    const done = await download("300ms", "--retry-every", "10ms")
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("cannot be reached: ETIMEDOUT")])
    expect(proxy.asked).toEqual([address])
  })
})

describe("proxy.no_proxy", () => {
  it("names hosts that are reached without it", async () => {
    use(`proxy.no_proxy = "example.com,localhost"`)
    expect((await download("1m", "--url", tenant.address)).code).toBe(0)
    expect(proxy.asked).toEqual([])
    expect((await download("1m")).code).toBe(0)
    expect(proxy.asked).toEqual([address])
  })
})

describe("tedge hsm doctor", () => {
  it("reaches the cloud as the connection does: through the proxy, whatever proxy.no_proxy says", async () => {
    use('proxy.no_proxy = "*"\ndevice.id = "dev"')
    const done = await device.tedge(["hsm", "doctor"])
    expect(done.stdout).toContain(`✓ cloud: ${address} through the proxy ${proxy.url}\n`)
    expect(done.stdout).toMatch(/✓ cloud is reachable and trusted: TLSv1\.[23]\n/)
    await proxy.close()
    expect((await device.tedge(["hsm", "doctor"])).stdout).toContain(
      `✗ cloud is reachable and trusted: ${address} cannot be reached through the proxy (${proxy.url}: ECONNREFUSED)\n`
    )
  })
})

describe("without a proxy in the settings", () => {
  it("the variables of other programs do not count", async () => {
    device = tedgeInProcess(dir, { environment: { HTTPS_PROXY: proxy.url, https_proxy: proxy.url } })
    device.settings(`c8y.url = "localhost"\nc8y.http = "${tenant.address}"\nc8y.root_cert_path = "${pki.caFile}"`)
    expect((await download("1m")).code).toBe(0)
    expect(proxy.asked).toEqual([])
    expect(readFileSync(join(device.configDir, "tedge.toml"), "utf8")).not.toContain("proxy")
  })
})
