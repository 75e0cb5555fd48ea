/** Odd labels, ids and PINs: taken as they are, or refused in one sentence before anything is made. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal, expectUsageError } from "./expect-refusal.ts"

let dir: string
let hsm: SoftHsmDirectory
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  dir = tempDir()
  hsm = softhsmDirectory()
  device = tedgeInProcess(dir, { environment: hsm.env })
  withPin("123456")
})

afterEach(() => hsm.cleanup())

const withPin = (pin: string | undefined) =>
  device.settings(
    `[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\n${pin === undefined ? "" : `pin = "${pin}"\n`}`
  )

const createKey = (...words: ReadonlyArray<string>) => device.tedge(["cert", "create-key-hsm", ...words])
const keysOn = async (...words: ReadonlyArray<string>): Promise<ReadonlyArray<Record<string, string>>> => {
  const done = await device.tedge(["hsm", "list-keys", "--json", ...words])
  expect(done.code, done.stderr).toBe(0)
  return JSON.parse(done.stdout)
}

describe("labels of keys", () => {
  beforeEach(() => void hsm.addToken())

  it("come back as they were given, and select the key", async () => {
    for (const [label, attribute] of [
      ["schlüssel-鍵", "object=schl%C3%BCssel-%E9%8D%B5"],
      ["a;b=c?d&e", "object=a%3Bb%3Dc%3Fd%26e"],
      ["100%25", "object=100%2525"],
      ["x".repeat(32), `object=${"x".repeat(32)}`],
      ["y".repeat(255), `object=${"y".repeat(255)}`],
      [" leading and trailing ", "object=%20leading%20and%20trailing%20"]
    ] as const) {
      const done = await createKey("--label", label)
      expect(done.code, done.stderr).toBe(0)
      expect(done.stdout).toContain(`;${attribute}\n`)
      expect((await keysOn("--label", label)).map((key) => key.label)).toEqual([label, label])
      const csr = await device.tedge(["cert", "create-csr", "--device-id", "d", "--output-path", "/dev/null"])
      expect(csr.code, csr.stderr).toBe(0)
    }
  })
})

describe("labels that make a key unusable", () => {
  beforeEach(() => void hsm.addToken())

  it.each([
    ["z".repeat(256), "a label has at most 255 bytes"],
    ["a\nb", "a label has no control characters"]
  ])("are refused: %j", async (label, sentence) => {
    expectRefusal(await createKey("--label", label), sentence)
    expect(await keysOn()).toEqual([])
  })
})

describe("labels of tokens", () => {
  const init = (label: string) =>
    device.tedge(["hsm", "init", "--label", label, "--so-pin", "12345678", "--pin", "123456"])

  it.each(["ü".repeat(16), "a;b?c&d=e", "100%", "x".repeat(32)])("takes '%s'", async (label) => {
    const done = await init(label)
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining(`token=${uriText(label)}\n`)])
    expect((await createKey(done.stdout.trim())).code).toBe(0)
  })

  it.each(["x".repeat(33), "ü".repeat(17)])("refuses '%s': 33 bytes and more", async (label) => {
    expectRefusal(await init(label), "a label has at most 32 bytes")
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain("<uninitialized>")
  })
})

/** RFC 3986, unreserved; the documents escape everything else. */
const uriText = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9_.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
    })
    .join("")

describe("ids", () => {
  beforeEach(() => void hsm.addToken())

  it("of one byte and of 255 are taken", async () => {
    for (const id of ["00", "ff".repeat(255)]) {
      const done = await createKey("--id", id)
      expect(done.code, done.stderr).toBe(0)
      expect((await keysOn("--id", id)).map((key) => key.id)).toEqual([id, id])
    }
  })

  it("of no byte, of 256 and of half a byte are refused, and no key is made", async () => {
    for (const [id, sentence] of [
      [" ", "ID must not be empty"],
      [":", "ID must not be empty"],
      ["ff".repeat(256), "an id has at most 255 bytes"],
      ["0g", "not a hex digit"],
      ["1", "each byte has two hex digits"]
    ] as const)
      expectUsageError(await createKey("--id", id), sentence)
    expect(await keysOn()).toEqual([])
  })
})

describe("PINs", () => {
  // A PIN in the settings would be the new token's, without a question.
  beforeEach(() => withPin(undefined))

  const odd = ["1234", "p;i%n ?&=", "pïn-пин-🔑", "'\"\\$(x)`", "x".repeat(255)]

  it.each(odd)("%s opens the token it was given to, from a setting too", async (pin) => {
    const made = await device.tedge(["hsm", "init", "--so-pin", "12345678"], `${pin}\n${pin}\n`)
    expect(made.code, made.stderr).toBe(0)
    expect(`${made.stdout}${made.stderr}`).not.toContain(pin)
    expect((await createKey("--pin", pin)).code).toBe(0)
    writeFileSync(
      join(device.configDir, "tedge.toml"),
      `[config]\nversion = "2"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = ${JSON.stringify(pin)}\n`
    )
    expect(await keysOn()).toHaveLength(2)
  })

  it.each(["1", "123", "x".repeat(256)])(
    "'%s' does not suit the token: it is told what is left behind, and how to go on",
    async (pin) => {
      const done = await device.tedge(["hsm", "init", "--so-pin", "12345678"], `${pin}\n${pin}\n`)
      expectRefusal(done, "the token was initialised, but has no user PIN yet", "tedge hsm change-pin --reset")
      expect((await device.tedge(["hsm", "list-keys", "--pin", "123456"])).stderr).toContain("has no user PIN yet")
      const [, uri = ""] = /--reset '([^']+)'/.exec(done.stderr) ?? []
      const reset = ["hsm", "change-pin", "--reset", uri, "--so-pin", "12345678", "--new-pin"]
      expectRefusal(await device.tedge([...reset, pin]), "does not accept a PIN of this length")
      expect((await device.tedge([...reset, "123456"])).code).toBe(0)
      expect((await createKey("--pin", "123456")).code).toBe(0)
    }
  )

  it("of no characters are refused before the token is touched", async () => {
    const done = await device.tedge(["hsm", "init", "--so-pin", "12345678"], "\n\n")
    expectRefusal(done, "the user PIN must not be empty; nothing was changed")
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain("<uninitialized>")
  })

  it("says that an SO PIN is too short, and initialises nothing", async () => {
    const done = await device.tedge(["hsm", "init", "--so-pin", "1", "--pin", "123456"])
    expectRefusal(done, "C_InitToken returned CKR_PIN_INCORRECT", "rejected this SO PIN")
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain("<uninitialized>")
  })

  it("says that the SO PIN of a reset is wrong, and that the user PIN is as it was", async () => {
    hsm.addToken()
    const done = await device.tedge(["hsm", "change-pin", "--reset", "--so-pin", "00000000", "--new-pin", "9999"])
    expect([done.code, done.stderr.split("\n").slice(-3)]).toEqual([
      1,
      [
        "error: token 'my-token': The specified PIN is incorrect: the token refused this SO PIN",
        "hint: it will not be tried again; use the SO PIN that the token was initialised with (--so-pin)",
        ""
      ]
    ])
    expect(await keysOn()).toEqual([])
  })

  it("says that the current PIN of a change is wrong, and that the user PIN is as it was", async () => {
    hsm.addToken()
    const change = ["hsm", "change-pin", "--current-pin", "000000", "--new-pin", "9999"]
    const mend = "pass the current PIN with --current-pin; "
    const wrong = "error: token 'my-token': The specified PIN is incorrect: it is not the current user PIN"
    const first = await device.tedge(change)
    expect([first.code, first.stderr.split("\n").slice(-3)]).toEqual([
      1,
      [wrong, `hint: ${mend}if it is lost: tedge hsm change-pin --reset`, ""]
    ])
    const again = await device.tedge(change)
    expect([again.code, again.stderr.split("\n").slice(-3)]).toEqual([
      1,
      [
        `${wrong}; it was refused before and was not tried again, to keep the token from locking`,
        `hint: ${mend}if this is it: tedge hsm clear-pin-latch`,
        ""
      ]
    ])
    expect(await keysOn()).toEqual([])
  })
})
