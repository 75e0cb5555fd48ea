/** `tedge mapper list` and `tedge mapper config get`, on a directory as thin-edge 2 leaves it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { configInProcess } from "../../../support/device/config-in-process.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"

let dir: string
let pki: TestPki
let tedge: ReturnType<typeof configInProcess>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mapper-commands-"))
  pki = testPki({ deviceId: "dev01" })
  tedge = configInProcess(dir)
})
afterEach(() => {
  pki.remove()
  rmSync(dir, { recursive: true, force: true })
})

const write = (name: string, text: string) => {
  mkdirSync(dirname(join(dir, name)), { recursive: true })
  writeFileSync(join(dir, name), text)
}
const mapper = (name: string, text: string) => write(`mappers/${name}/mapper.toml`, text)
const rows = async () => (await tedge("mapper", "list")).stdout
const value = (key: string) => tedge("mapper", "config", "get", key)

describe("tedge mapper list", () => {
  it("has a row for each directory, by name: url, identity with its origin, cloud type", async () => {
    write("tedge.toml", '[config]\nversion = "2"\n[device]\nid = "of-tedge"\n')
    mapper("c8y", 'cloud_type = "c8y"\nurl = "t.example"\n')
    mapper("c8y.prod", `cloud_type = "c8y"\nurl = "p.example"\ndevice.cert_path = "${pki.deviceCertFile}"\n`)
    mapper("az", 'cloud_type = "az"\nurl = "a.example"\ndevice.id = "own"\n')
    mapper("tb", 'url = "tb.example:8883"\n')
    mapper("named", 'url = "n.example"\ncredentials_path = "c.toml"\ndevice.id = "by-password"\n')
    mkdirSync(join(dir, "mappers/flows-only/flows"), { recursive: true })
    expect(await tedge("mapper", "list")).toEqual({
      code: 0,
      stdout: [
        "az\ta.example\town [mapper.toml]\taz",
        "c8y\tt.example\tof-tedge [tedge.toml]\tc8y",
        "c8y.prod\tp.example\tdev01 [cert CN]\tc8y",
        "flows-only",
        "named\tn.example\tby-password [mapper.toml]\t",
        "tb\ttb.example:8883\tof-tedge [tedge.toml]\t",
        ""
      ].join("\n"),
      stderr: ""
    })
  })

  it("has the certificate's name of a user's mapper too, its path beginning at the mapper", async () => {
    mapper("tb", 'url = "tb.example"\n[device]\ncert_path = "cert.pem"\nid = "not this"\n')
    write("mappers/tb/cert.pem", pki.deviceCertPem)
    expect(await rows()).toBe("tb\ttb.example\tdev01 [cert CN]\t\n")
  })

  it("has the sections by their own names, whatever profile commands act on", async () => {
    mapper("c8y", 'url = "t.example"\ndevice.id = "of-default"\n')
    mapper("c8y.p", 'url = "p.example"\ndevice.id = "of-p"\n')
    const inProfile = configInProcess(dir, { TEDGE_CLOUD_PROFILE: "p" })
    expect((await inProfile("mapper", "list")).stdout).toBe(
      "c8y\tt.example\tof-default [mapper.toml]\t\nc8y.p\tp.example\tof-p [mapper.toml]\t\n"
    )
    expect(await inProfile("mapper", "config", "get", "c8y.url")).toMatchObject({
      stdout: "t.example\n",
      stderr: "# from mapper.toml\n"
    })
  })

  it("leaves out what cannot be read, and goes on", async () => {
    mapper("aa", "no TOML")
    mapper("c8y", "no TOML")
    mapper("tb", 'url = "tb.example"\ndevice.cert_path = "/nowhere.pem"\n')
    expect(await rows()).toBe("aa\nc8y\ntb\ttb.example\t\t\n")
  })

  it("is refused with the path where 'mappers' cannot be read", async () => {
    write("mappers", "a file")
    const path = join(dir, "mappers")
    for (const words of [["list"], ["config", "get", "tb.url"]]) {
      const { code, stdout, stderr } = await tedge("mapper", ...words)
      expect([code, stdout, stderr]).toEqual([1, "", expect.stringContaining(`'${path}' cannot be read: `)])
    }
  })

  it("reports on stderr that there is none", async () => {
    expect(await tedge("mapper", "list")).toEqual({
      code: 0,
      stdout: "",
      stderr: `No mappers found under '${join(dir, "mappers")}'\n`
    })
  })
})

describe("tedge mapper config get", () => {
  it.each([
    ["c8y.url", "t.example", "mapper.toml"],
    ["c8y.prod.url", "p.example", "mapper.toml"],
    ["c8y.bridge.topic_prefix", "c8y", "the default"],
    ["c8y.device.id", "dev01", "the common name of the certificate"],
    ["c8y.cloud_type", "c8y", "# from mapper.toml\n"],
    ["c8y.prod.custom.key", "[1,2]", "# from mapper.toml\n"],
    ["tb.url", "tb.example", "mapper.toml of tb"],
    ["tb.custom.deep", "7", "mapper.toml of tb"],
    ["tb.topics", '["a","b"]', "mapper.toml of tb"],
    ["tb.root_cert_path", "DIR/mappers/tb/ca.pem", "a path relative to it"],
    ["tb.device.cert_path", "CERT", "device.cert_path in tedge.toml"],
    ["tb.device.id", "dev01", "cert CN"]
  ])("prints %s, and on stderr where it is from", async (key, expected, from) => {
    write("tedge.toml", `[config]\nversion = "2"\n[device]\ncert_path = "${pki.deviceCertFile}"\n`)
    mapper("c8y", 'cloud_type = "c8y"\nurl = "t.example"\n')
    mapper("c8y.prod", 'cloud_type = "c8y"\nurl = "p.example"\ncustom.key = [1, 2]\n')
    mapper("tb", 'url = "tb.example"\ntopics = ["a", "b"]\nroot_cert_path = "ca.pem"\n[custom]\ndeep = 7\n')
    const printed = await value(key)
    expect(printed).toMatchObject({
      code: 0,
      stdout: `${expected.replace("DIR", dir).replace("CERT", pki.deviceCertFile)}\n`
    })
    expect(printed.stderr).toContain(from)
  })

  it.each([
    ["nothing.url", /no mapper for 'nothing\.url'.*\nhint: the mappers here: c8y, empty, tb/],
    ["c8y", /use NAME\.KEY/],
    ["c8y.nonsense", /Unknown tedge config key: 'c8y\.nonsense'/],
    ["c8y.toString", /Unknown tedge config key: 'c8y\.toString'/],
    ["tb.constructor.name", /'tb\.constructor\.name' is not set/],
    ["c8y.device.key_uri", /'c8y\.device\.key_uri' is not set/],
    ["empty.url", /'.*mappers\/empty\/mapper\.toml' cannot be read/],
    ["tb.url", /'tb\.url' is not set/]
  ])("refuses %s with a sentence", async (key, sentence) => {
    mapper("c8y", 'url = "t.example"\n')
    mapper("tb", "topics = []\n")
    mkdirSync(join(dir, "mappers/empty"))
    const printed = await value(key)
    expect([printed.stdout, printed.code === 0]).toEqual(["", false])
    expect(printed.stderr).toMatch(sentence)
  })
})
