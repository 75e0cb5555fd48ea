/** Comments beside what `tedge config upgrade` moves go with it, however the setting is written. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { configBench, version2, within } from "./config-bench.ts"

const { bench, answer } = configBench()

const upgraded = async (name: string, text: string, also: Readonly<Record<string, string>> = {}) => {
  for (const [one, content] of Object.entries({ ...also, [name]: text })) {
    mkdirSync(dirname(join(bench.dir, one)), { recursive: true })
    writeFileSync(join(bench.dir, one), content)
  }
  await answer((config) => config.ask("Upgrade", undefined, within))
  const names = readdirSync(bench.dir, { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".toml"))
  return Object.fromEntries(names.map((one) => [one, readFileSync(join(bench.dir, one), "utf8")]))
}

describe("the comment behind a setting", () => {
  it.each([
    [
      "of a cloud, dotted at the top",
      'c8y.url = "x" # kept\n[config]\nversion = "2"\n',
      "mappers/c8y/mapper.toml",
      'url = "x" # kept'
    ],
    [
      "of a cloud, dotted in its table",
      version2('[c8y]\ndevice.id = "x" # kept\n'),
      "mappers/c8y/mapper.toml",
      'device.id = "x" # kept'
    ],
    [
      "of a profile, dotted at the top",
      'c8y.profiles.p.url = "x" # kept\n[config]\nversion = "2"\n',
      "mappers/c8y.p/mapper.toml",
      'url = "x" # kept'
    ],
    [
      "of a profile, dotted in the cloud's table",
      version2('[c8y]\nurl = "y"\nprofiles.p.url = "x" # kept\n'),
      "mappers/c8y.p/mapper.toml",
      'url = "x" # kept'
    ],
    [
      "of a profile, dotted in the table of profiles",
      version2('[c8y.profiles]\np.url = "x" # kept\n'),
      "mappers/c8y.p/mapper.toml",
      'url = "x" # kept'
    ],
    [
      "of an older name of the cloud",
      version2('[azure]\ndevice.id = "x" # kept\n'),
      "mappers/az/mapper.toml",
      'device.id = "x" # kept'
    ],
    [
      "of the signing service, dotted",
      'p11_server.max_connections = 3 # kept\n[config]\nversion = "2"\n',
      "tedge-p11-server.toml",
      "max_connections = 3 # kept"
    ],
    [
      "of a cloud, beside a PIN that moves",
      version2('[c8y]\ndevice.id = "x" # kept\ndevice.key_pin = "1"\n'),
      "mappers/c8y/mapper.toml",
      'device.id = "x" # kept'
    ],
    [
      "of a URI that loses its PIN, dotted",
      version2('[c8y]\ndevice.key_uri = "pkcs11:token=a?pin-value=1" # kept\n'),
      "mappers/c8y/mapper.toml",
      'device.key_uri = "pkcs11:token=a" # kept'
    ],
    [
      "that is a PIN, in its table",
      version2('[device.cryptoki]\nmode = "off"\npin = "1" # kept\n'),
      "secrets.toml",
      'pin = "1" # kept'
    ],
    [
      "that is a PIN, dotted",
      version2('[c8y]\nurl = "x"\ndevice.key_pin = "1" # kept\n'),
      "secrets.toml",
      'key_pin = "1" # kept'
    ],
    [
      "that stays, dotted",
      'device.type = "x" # kept\nc8y.url = "x"\n[config]\nversion = "2"\n',
      "tedge.toml",
      'device.type = "x" # kept'
    ],
    [
      "of a version 1 file that gets a newer name",
      '[mqtt]\nport = 1884 # kept\n[c8y]\nsmartrest_templates = ["a"]\n',
      "tedge.toml",
      "1884 # kept"
    ]
  ])("%s", async (_, text, name, line) => {
    const files = await upgraded("tedge.toml", text)
    expect([name, files[name]]).toEqual([name, expect.stringContaining(line)])
  })

  it("that is a PIN, in a mapper.toml and where secrets.toml is there already", async () => {
    const files = await upgraded("mappers/c8y/mapper.toml", 'url = "x"\ndevice.key_pin = "1" # kept\n', {
      "secrets.toml": '# mine\n[device]\nkey_pin = "2" # too\n'
    })
    expect(files["secrets.toml"]).toMatch(/# mine\n\[device\]\nkey_pin = "2" # too\n[\s\S]*key_pin = "1" # kept/)
    expect(existsSync(join(bench.dir, "mappers/c8y/mapper.toml"))).toBe(true)
  })
})
