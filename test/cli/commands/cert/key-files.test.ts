/** The certificate commands with key files, when no token is configured. */
import { execFileSync } from "node:child_process"
import {
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { userInfo } from "node:os"
import { dirname, join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"
import { type KeyKind, makeKey, testPki } from "../../../support/tls/pki.ts"
import { checkedRequest, checkedSelfSigned, publicKeyOf } from "./openssl.ts"

let dir: string
let device: InProcess

beforeEach(() => {
  dir = tempDir()
  device = tedgeInProcess(dir)
})

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
const read = (path: string) => readFileSync(path, "utf8")
const create = (...words: ReadonlyArray<string>) => device.tedge(["cert", "create", "--device-id", "dev", ...words])

const idOf = (what: string): string => execFileSync("id", [what], { encoding: "utf8" }).trim()

const useKey = (kind: KeyKind): string => {
  const keyFile = makeKey(dir, kind)
  mkdirSync(dirname(device.keyPath), { recursive: true })
  writeFileSync(device.keyPath, read(keyFile))
  return read(keyFile)
}

describe("tedge cert create", () => {
  it("makes a key and a certificate signed with it, that openssl and certtool accept", async () => {
    const done = await create()
    expect(done.code, done.stderr).toBe(0)
    expect(publicKeyOf(read(device.certPath))).toBe(publicKeyOf(read(device.keyPath)))
    const shown = await checkedSelfSigned(device.certPath)
    expect(shown).toContain("Subject: OU=Device,O=Thin Edge,CN=dev")
    expect(shown).toContain("Certificate Authority (CA): TRUE")
    expect([mode(device.certPath), mode(device.keyPath)]).toEqual(["644", "400"])
    expect(done.stdout).toMatch(/^Certificate: {3}\S+\nSubject: {7}CN=dev, O=Thin Edge, OU=Device\nIssuer:/)
  })

  it("belongs to the user of system.toml, whose services read it", async () => {
    // Only root can give a file away.
    const [user, group] = isRoot ? ["daemon", "daemon"] : [userInfo().username, idOf("-gn")]
    writeFileSync(join(device.configDir, "system.toml"), `user = "${user}"\ngroup = "${group}"\n`)
    const created = await create()
    await device.tedge(["cert", "create-csr"])
    expect(created.stderr).not.toContain("owner")
    const { uid, gid } = statSync(device.keyPath)
    expect([uid === 0, gid === 0]).toEqual([false, false])
    for (const path of [device.certPath, device.csrPath, dirname(device.certPath)])
      expect(statSync(path)).toMatchObject({ uid, gid })
  })

  it.runIf(isRoot).each([
    ["a secret", "root's secret"],
    ["a private key", "-----BEGIN PRIVATE KEY-----\n"]
  ])("replaces a link of the services' user to %s of root's, whose file stays as it is", async (_what, content) => {
    const user = testUser()
    try {
      writeFileSync(join(device.configDir, "system.toml"), `user = "${user.name}"\n`)
      await create()
      const secret = join(device.configDir, "..", "secret")
      writeFileSync(secret, content, { mode: 0o600 })
      symlinkSync(secret, device.csrPath)
      lchownSync(device.csrPath, user.uid, user.gid)
      expect(await device.tedge(["cert", "create-csr"])).toMatchObject({ code: 0 })
      expect(read(secret)).toBe(content)
      expect(statSync(secret)).toMatchObject({ uid: 0, gid: 0 })
      expect(lstatSync(device.csrPath).isFile()).toBe(true)
      expect(read(device.csrPath)).toContain("BEGIN CERTIFICATE REQUEST")
    } finally {
      user.remove()
    }
  })

  it.runIf(isRoot)("overwrites no file of root's that the settings name", async () => {
    const secret = join(device.configDir, "..", "passwd")
    writeFileSync(join(device.configDir, "system.toml"), 'user = "daemon"\n')
    writeFileSync(secret, "root:x:0:0\n")
    await create()
    await device.set("device.csr_path", secret)
    expect((await device.tedge(["cert", "create-csr"])).code).not.toBe(0)
    expect(read(secret)).toBe("root:x:0:0\n")
  })

  it("refuses a certificate or a key that is there, and changes neither", async () => {
    await create()
    const before = [read(device.certPath), read(device.keyPath)]
    const again = await create()
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("A certificate already exists")])
    expect([read(device.certPath), read(device.keyPath)]).toEqual(before)

    const key = tedgeInProcess(join(dir, "other"))
    mkdirSync(dirname(key.keyPath), { recursive: true })
    writeFileSync(key.keyPath, "precious")
    const refused = await key.tedge(["cert", "create", "--device-id", "dev"])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("A private key already exists")])
    expect([existsSync(key.certPath), read(key.keyPath)]).toEqual([false, "precious"])
  })

  it("leaves no key behind when the certificate cannot be written", async () => {
    device.settings(`device.cert_path = "${join(device.configDir, "tedge.toml", "below-a-file.pem")}"`)
    const done = await create()
    expect([done.code, done.stderr]).toEqual([
      1,
      expect.stringContaining("a file exists where a directory is expected")
    ])
    expect(existsSync(device.keyPath)).toBe(false)
  })

  it("takes a link for a key that is there, wherever it leads", async () => {
    mkdirSync(dirname(device.keyPath), { recursive: true })
    symlinkSync(join(dir, "nowhere"), device.keyPath)
    const taken = await create()
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("A private key already exists")])
  })

  it("takes the identity of the cloud and profile that are named, and their paths", async () => {
    const certPath = join(dir, "prod.pem")
    device.settings(
      `[c8y.profiles.prod]\nurl = "x.example"\ndevice.id = "prod-1"\ndevice.cert_path = "${certPath}"\ndevice.key_path = "${join(dir, "prod.key")}"`
    )
    const done = await device.tedge(["cert", "create", "c8y", "--profile", "prod"])
    expect(done.code, done.stderr).toBe(0)
    expect(read(certPath)).toContain("BEGIN CERTIFICATE")
    expect(done.stdout).toContain("CN=prod-1")
    expect(existsSync(device.certPath)).toBe(false)
  })

  it.each([
    ["", "The empty string cannot be used as a name"],
    ["a".repeat(65), "is more than 64 characters long"],
    ["gerät", "contains characters which cannot be used in a name"],
    ["a/b", "contains characters which cannot be used in a name"]
  ])("refuses the id '%s'", async (id, sentence) => {
    const done = await device.tedge(["cert", "create", "--device-id", id])
    expect([done.code > 0, done.stderr]).toEqual([true, expect.stringContaining(sentence)])
    expect(existsSync(device.keyPath)).toBe(false)
  })

  it("asks for an id when the settings have none", async () => {
    const done = await device.tedge(["cert", "create"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("--device-id")])
  })

  it("lasts as long as asked, from a day ago, and no day less", async () => {
    device.settings('certificate.validity.requested_duration = "2d"')
    const done = await create()
    expect(done.stdout).toMatch(/Status: {8}EXPIRES SOON \(expires in: 1d 23h 59m \d+s\)/)
  })
})

describe("tedge cert create-csr", () => {
  it.each([
    ["p256", "ecdsa-with-SHA256"],
    ["p384", "ecdsa-with-SHA384"],
    ["p521", "ecdsa-with-SHA512"],
    ["rsa", "sha256WithRSAEncryption"]
  ] as const)("signs with the %s key that is there", async (kind, algorithm) => {
    const key = useKey(kind)
    const done = await device.tedge(["cert", "create-csr", "--device-id", "dev"])
    expect([done.code, done.stdout], done.stderr).toEqual([0, `${device.csrPath}\n`])
    const shown = await checkedRequest(device.csrPath)
    expect(shown).toContain(`Signature Algorithm: ${algorithm}`)
    expect(shown).toMatch(/Subject: CN ?= ?dev, O ?= ?Thin Edge, OU ?= ?Device/)
    expect(read(device.keyPath)).toBe(key)
  })

  it("makes a key when there is none", async () => {
    await device.tedge(["cert", "create-csr", "--device-id", "dev"])
    await checkedRequest(device.csrPath)
    expect(mode(device.keyPath)).toBe("400")
  })

  it("says which keys cannot sign requests", async () => {
    useKey("ed25519")
    const done = await device.tedge(["cert", "create-csr", "--device-id", "dev"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("ed25519")])
  })

  it("writes over an older request, but never over a certificate or a key", async () => {
    await create()
    const csr = ["cert", "create-csr", "--output-path"]
    expect((await device.tedge(csr.concat(join(dir, "my.csr")))).code).toBe(0)
    expect((await device.tedge(csr.concat(join(dir, "my.csr")))).code).toBe(0)
    for (const path of [device.certPath, device.keyPath]) {
      const before = read(path)
      const done = await device.tedge([...csr, path])
      expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("already exists and would be overwritten")])
      expect(read(path)).toBe(before)
    }
  })

  it("keeps the older request when the new one cannot be written", async () => {
    await create()
    const full = await device.tedge(["cert", "create-csr", "--output-path", "/dev/full"])
    expect([full.code, full.stderr]).toEqual([1, expect.stringContaining("the disk is full")])
    const folder = await device.tedge(["cert", "create-csr", "--output-path", dir])
    expect([folder.code, folder.stderr]).toEqual([1, expect.stringContaining("a directory with this name exists")])
    const fifo = join(dir, "fifo.csr")
    execFileSync("mkfifo", [fifo])
    const piped = await device.tedge(["cert", "create-csr", "--output-path", fifo])
    expect([piped.code, piped.stderr]).toEqual([1, expect.stringContaining("a FIFO or socket with this name exists")])
    // Beside the file stands what the new content would be written to.
    const path = join(dir, "kept.csr")
    writeFileSync(path, "old")
    mkdirSync(join(dir, ".kept.csr.tmp", "in-the-way"), { recursive: true })
    const blocked = await device.tedge(["cert", "create-csr", "--output-path", path])
    expect([blocked.code, blocked.stderr]).toEqual([1, expect.stringContaining(`'${path}' could not be written`)])
    expect(read(path)).toBe("old")
  })

  it("says what is wrong with a key file", async () => {
    mkdirSync(dirname(device.keyPath), { recursive: true })
    for (const [content, sentence] of [
      ["", "contains no key"],
      ["-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n", "no private key, or one with a passphrase"]
    ] as const) {
      writeFileSync(device.keyPath, content)
      const done = await device.tedge(["cert", "create-csr", "--device-id", "dev"])
      expect([done.code, done.stderr]).toEqual([1, expect.stringContaining(sentence)])
    }
  })
})

describe("tedge cert remove", () => {
  it("reports each file it removes, and that there was none", async () => {
    await create()
    await device.tedge(["cert", "renew"])
    const done = await device.tedge(["cert", "remove"])
    expect(done).toEqual({
      code: 0,
      stdout: "",
      stderr: `Removed ${device.certPath}\nRemoved ${device.certPath}.new\nRemoved ${device.keyPath}\nCertificate was successfully removed\n`
    })
    expect((await device.tedge(["cert", "remove"])).stderr).toBe("There is no certificate to remove\n")
  })

  it("leaves a directory of that name alone", async () => {
    mkdirSync(device.certPath, { recursive: true })
    const done = await device.tedge(["cert", "remove"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("a directory with this name exists")])
  })
})

describe("tedge cert renew", () => {
  it("signs a new one for the same key and name, which waits beside the present one", async () => {
    await device.tedge(["cert", "create", "--device-id", "a,b=c (d)"])
    const before = read(device.certPath)
    const done = await device.tedge(["cert", "renew"])
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("tedge cert upload c8y")
    expect(read(device.certPath)).toBe(before)
    const renewed = read(`${device.certPath}.new`)
    expect(renewed).not.toBe(before)
    expect(publicKeyOf(renewed)).toBe(publicKeyOf(before))
    expect(await checkedSelfSigned(`${device.certPath}.new`)).toContain("Subject: OU=Device,O=Thin Edge,CN=a\\,b=c (d)")
    expect((await device.tedge(["cert", "show", "--new"])).stdout).toContain(`${device.certPath}.new`)
  })

  it("refuses to sign in another's place, and names the way there is", async () => {
    const pki = testPki()
    mkdirSync(dirname(device.certPath), { recursive: true })
    writeFileSync(device.certPath, pki.deviceCertPem)
    const done = await device.tedge(["cert", "renew", "--ca", "self-signed"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("is not self-signed")])
    for (const [cloud, name] of [
      ["az", "Azure"],
      ["aws", "AWS"]
    ] as const) {
      const refused = await device.tedge(["cert", "renew", "--ca", "c8y", cloud])
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`not supported for ${name}`)])
    }
    pki.remove()
  })

  it("says that there is nothing to renew", async () => {
    const done = await device.tedge(["cert", "renew"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("does not exist")])
  })
})

describe("upload and download for other clouds", () => {
  it.each([
    ["upload", "az"],
    ["download", "aws"]
  ])("tedge cert %s %s is no command", async (word, cloud) => {
    expect((await device.tedge(["cert", word, cloud])).code).toBe(2)
  })
})

describe("a certificate that cannot be read", () => {
  const cases: ReadonlyArray<readonly [what: string, place: (path: string) => void, sentence: string]> = [
    ["is missing", () => undefined, "does not exist"],
    ["is a directory", (path) => mkdirSync(path), "is a directory"],
    ["is empty", (path) => writeFileSync(path, ""), "contains no certificate"],
    ["is text", (path) => writeFileSync(path, "hello"), "is malformed (no certificate in it)"],
    [
      "is damaged",
      (path) => writeFileSync(path, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
      "is malformed (not X.509)"
    ],
    ["is too large", (path) => writeFileSync(path, "x".repeat(5_000_000)), "is too large"]
  ]
  it.each(cases)("is said of one that %s", async (_what, place, sentence) => {
    mkdirSync(dirname(device.certPath), { recursive: true })
    place(device.certPath)
    for (const [words, code] of [
      [["cert", "show"], 1],
      [["cert", "renew"], 1],
      [["cert", "needs-renewal"], 2]
    ] as const) {
      const done = await device.tedge(words)
      expect([done.code, done.stdout], done.stderr).toEqual([code, ""])
      expect(done.stderr).toContain(sentence)
      expect(done.stderr.split("\n").filter((line) => line.startsWith("error:"))).toHaveLength(1)
    }
  })

  it("is found behind its issuer; of two devices' none is taken for it", async () => {
    const pki = testPki({ deviceId: "dev-behind" })
    const other = testPki({ deviceId: "other" })
    mkdirSync(dirname(device.certPath), { recursive: true })
    writeFileSync(device.certPath, pki.caPem + pki.deviceCertPem)
    expect((await device.tedge(["cert", "show"])).stdout).toContain("CN=dev-behind\n")
    writeFileSync(device.certPath, pki.deviceCertPem + other.deviceCertPem)
    const refused = await device.tedge(["cert", "show"])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      `error: several certificates could be the device's: the device's certificate must come first in '${device.certPath}'\n` +
        "hint: keep only the device's certificate and, after it, its issuers in the file\n"
    ])
    pki.remove()
    other.remove()
  })

  it("is reported with the command that converts it, if it is in DER form", async () => {
    await create()
    const der = join(dir, "cert.der")
    writeFileSync(der, Buffer.from(read(device.certPath).replace(/-----[^-]+-----|\s/g, ""), "base64"))
    const done = await device.tedge(["cert", "show", "--cert-path", der])
    expect(done.stderr).toBe(
      `error: the certificate file '${der}' is in DER form; PEM is required\nhint: openssl x509 -inform DER -in '${der}' -out '${der}.pem'\n`
    )
  })
})

describe("tedge cert needs-renewal", () => {
  const certificate = (validity: "valid" | "expired" | "notYetValid") => {
    const pki = testPki({ deviceValidity: validity })
    mkdirSync(dirname(device.certPath), { recursive: true })
    writeFileSync(device.certPath, pki.deviceCertPem + pki.caPem)
    pki.remove()
  }

  it.each([
    ["valid", 1, "Status: VALID (expires in: "],
    ["expired", 0, "Status: EXPIRED (since: "],
    ["notYetValid", 2, "Status: NOT VALID YET (will be in: "]
  ] as const)("of a chain whose first certificate is %s ends with %i", async (validity, code, line) => {
    certificate(validity)
    const done = await device.tedge(["cert", "needs-renewal"])
    expect([done.code, done.stderr]).toEqual([code, expect.stringContaining(line)])
  })

  it("ends with 0 when less time is left than the settings want", async () => {
    certificate("valid")
    device.settings('certificate.validity.minimum_duration = "100y"')
    const done = await device.tedge(["cert", "needs-renewal"])
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining("EXPIRES SOON")])
  })

  it("ends with 2 when settings or profile cannot be read: never with 'no need'", async () => {
    device.settings("[broken")
    expect((await device.tedge(["cert", "needs-renewal"])).code).toBe(2)
    device.settings("")
    expect((await device.tedge(["cert", "needs-renewal", "c8y", "--profile", "none"])).code).toBe(2)
  })
})
