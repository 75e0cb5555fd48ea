/** Each command, and each way in which the files of the settings can be wrong: only what needs the file or value stops. */
import { execFile } from "node:child_process"
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { executable } from "../../../support/device/device.ts"
import { isRoot, testUser } from "../../../support/test-user.ts"

let made: string
let dir: string

const newDir = (): string => mkdtempSync(join(tmpdir(), "broken-files-"))

const run = (words: string): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    const args = ["--config-dir", join(dir, "etc"), ...words.split(" ")]
    const environment = { ...process.env, TEDGE_RUN_PATH: join(dir, "run") }
    execFile(executable("tedge"), args, { env: environment }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` })
    )
  })

const put = (name: string, text: string): void => {
  mkdirSync(join(dir, "etc", name, ".."), { recursive: true })
  writeFileSync(join(dir, "etc", name), text)
}

const tedge = (more = ""): string =>
  `[config]\nversion = "2"\n[device]\nid = "dev1"\n${more}\n[device.cryptoki]\nmode = "module"\nmodule_path = "/nowhere/module.so"\n`

const mapper = 'cloud_type = "c8y"\nurl = "c.example"\n'

/** A device with a certificate, whose key would be in a token. */
beforeAll(async () => {
  made = newDir()
  dir = made
  mkdirSync(join(dir, "run"))
  put("tedge.toml", '[config]\nversion = "2"\n')
  expect(await run("cert create --device-id dev1")).toMatchObject({ code: 0 })
})

afterAll(() => rmSync(made, { recursive: true }))

const device = (): void => {
  dir = newDir()
  cpSync(made, dir, { recursive: true })
  put("tedge.toml", tedge())
  put("mappers/c8y/mapper.toml", mapper)
}

/** What a command answers: its exit code, and what is, or is not, in its output. */
type Expected = readonly [words: string, code: number, has: RegExp, hasNot?: RegExp]

const notTold = /secrets\.toml|not TOML|not a valid/

/** What works in every state. */
const always: ReadonlyArray<Expected> = [
  ["config get device.id", 0, /^dev1\n/],
  ["config get az.topics", 0, /te\//],
  ["config list", 0, /^device\.id=dev1$/m],
  ["config set device.type x", 0, /^$|warning/],
  ["config unset device.type", 0, /^$|warning/],
  ["mapper list", 0, /^c8y/m],
  ["cert show", 0, /Subject: +CN=dev1/],
  ["cert needs-renewal", 1, /Status: VALID/],
  ["disconnect c8y", 0, /already disconnected/]
]

const doctor = (told: RegExp): Expected => ["hsm doctor c8y", 1, told]

/** `connect --test` came as far as to ask for the connection. */
const tested: Expected = ["connect c8y --test", 1, /Device is not connected/i, notTold]

const noToken: Expected = ["hsm list-tokens", 1, /Failed to load PKCS#11 dynamic object/, notTold]

const noPin = (told: RegExp): ReadonlyArray<Expected> =>
  [
    "cert renew",
    "cert create-csr",
    "hsm list-keys",
    "config get device.cryptoki.pin",
    "config set device.key_pin 1",
    "connect c8y",
    "config upgrade"
  ].map((words): Expected => [words, 1, told])

const states: ReadonlyArray<readonly [string, () => void, ReadonlyArray<Expected>]> = [
  [
    "a mapper.toml that is not TOML",
    () => put("mappers/c8y/mapper.toml", 'url = "c.example"\ntopics\n'),
    [
      ["config get c8y.url", 1, /mappers\/c8y\/mapper\.toml' is not TOML, line 2/],
      ["config set c8y.url d.example", 1, /mapper\.toml' is not TOML, line 2/],
      ["config list", 0, /warning: not listed: .*mapper\.toml' is not TOML, line 2/, /^c8y\./m],
      ["mapper list", 0, /warning: .*mappers\/c8y\/mapper\.toml' is not TOML, line 2/],
      ["cert show c8y", 1, /mapper\.toml' is not TOML/],
      ["connect c8y --test", 1, /mapper\.toml' is not TOML/],
      doctor(/✗ settings of c8y: .*mapper\.toml' is not TOML/)
    ]
  ],
  [
    "a secrets.toml that is not TOML",
    () => put("secrets.toml", "broken =\n"),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config set c8y.url d.example", 0, /^$/],
      ["cert show c8y", 0, /Subject/],
      tested,
      noToken,
      ["status c8y", 3, /is not running/, notTold],
      ...noPin(/secrets\.toml' is not TOML, line 1/),
      doctor(/✗ settings of c8y: .*secrets\.toml' is not TOML/)
    ]
  ],
  [
    "a secrets.toml that cannot be read",
    () => mkdirSync(join(dir, "etc/secrets.toml")),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config set c8y.url d.example", 0, /^$/],
      ["cert show c8y", 0, /Subject/],
      tested,
      noToken,
      ["status c8y", 3, /is not running/, notTold],
      ...noPin(/secrets\.toml'/),
      doctor(/✗ settings of c8y: .*secrets\.toml'/)
    ]
  ],
  [
    "a device.key_uri that is no URI",
    () => put("tedge.toml", tedge('key_uri = "pkcs11:token=a;token=b"')),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config set device.key_uri pkcs11:token=a", 0, /^$/]
    ]
  ],
  [
    "a c8y.device.key_uri that is no URI",
    () => put("mappers/c8y/mapper.toml", `${mapper}[device]\nkey_uri = "pkcs11:token=a;token=b"\n`),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["cert show c8y", 0, /Subject/],
      ["connect c8y --test", 1, /not a valid value of c8y\.device\.key_uri/],
      doctor(/✗ settings of c8y: .*c8y\.device\.key_uri/),
      ["config set c8y.device.key_uri pkcs11:token=a", 0, /^$/]
    ]
  ],
  [
    "a wrong value of the cloud",
    () => put("mappers/c8y/mapper.toml", `${mapper}auth_method = "x"\n`),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config get c8y.auth_method", 1, /'x' is not a valid value of c8y\.auth_method/],
      ["config list", 0, /warning: not listed: 'x' is not a valid value of c8y\.auth_method/],
      ["cert show c8y", 0, /Subject/],
      ["connect c8y --test", 1, /not a valid value of c8y\.auth_method/],
      doctor(/✗ settings of c8y: .*c8y\.auth_method/),
      ["config set c8y.auth_method certificate", 0, /^$/]
    ]
  ],
  [
    "a wrong value of no cloud",
    () => put("tedge.toml", `${tedge()}[mqtt.client]\nport = "abc"\n`),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config get mqtt.client.port", 1, /not a valid value of mqtt\.client\.port/],
      ["config list", 0, /warning: not listed: .*mqtt\.client\.port/],
      ["cert show c8y", 0, /Subject/],
      ["connect c8y --test", 1, /not a valid value of mqtt\.client\.port/],
      doctor(/✗ settings of c8y: .*mqtt\.client\.port/),
      ["config set mqtt.client.port 1883", 0, /^$/]
    ]
  ],
  [
    "a file of another cloud that is not TOML",
    () => put("mappers/az.p/mapper.toml", "broken =\n"),
    [
      ["config get c8y.url", 0, /^c\.example\n$/],
      ["config get az.url --profile p", 1, /az\.p\/mapper\.toml' is not TOML/],
      ["config set c8y.url d.example", 0, /^$/],
      ["config list c8y.", 0, /c8y\.url=d\.example/, notTold],
      ["config list", 0, /warning: not listed: .*az\.p\/mapper\.toml/],
      ["mapper list", 0, /warning: .*az\.p\/mapper\.toml/],
      ["cert show c8y", 0, /Subject/],
      tested,
      noToken
    ]
  ]
]

describe.each(states)("with %s", (_, spoil, particular) => {
  it("only what needs it stops", async () => {
    device()
    spoil()
    for (const [words, code, has, hasNot] of [...always, ...particular]) {
      const answer = await run(words)
      expect([words, answer.code, answer.output]).toEqual([words, code, expect.stringMatching(has)])
      if (hasNot !== undefined) expect([words, answer.output]).toEqual([words, expect.not.stringMatching(hasNot)])
    }
    rmSync(dir, { recursive: true })
  })
})

it.runIf(isRoot)(
  "a user who may not read secrets.toml is stopped only where a PIN is needed",
  () => {
    device()
    put("secrets.toml", '[device.cryptoki]\npin = "1234"\n')
    chmodSync(join(dir, "etc/secrets.toml"), 0o640)
    const user = testUser()
    try {
      chmodSync(dir, 0o755)
      chownSync(join(dir, "run"), user.uid, user.gid)
      put("tedge.toml", tedge().replace("[device]", `[run]\npath = "${join(dir, "run")}"\n[device]`))
      const tell = (words: string) =>
        user.run(executable("tedge"), ["--config-dir", join(dir, "etc"), ...words.split(" ")])
      expect(tell("cert show c8y")).toMatchObject({ status: 0, output: expect.not.stringMatching(notTold) })
      expect(tell("connect c8y --test").output).toMatch(/Device is not connected/i)
      expect(tell("config get c8y.url")).toMatchObject({ status: 0, output: "c.example\n" })
      expect(tell("config list device.").output).toMatch(/secrets\.toml' cannot be used \(EACCES\)/)
      expect(tell("cert create-csr").output).toMatch(/secrets\.toml'.*EACCES/)
      expect(readFileSync(join(dir, "etc/secrets.toml"), "utf8")).toContain("1234")
    } finally {
      user.remove()
      rmSync(dir, { recursive: true })
    }
  },
  120_000
)
