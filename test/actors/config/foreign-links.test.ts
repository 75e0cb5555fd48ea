/** Files of the settings that are links of the services' user to a file of root's: its content must not be shown. */
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { isRoot } from "../../support/test-user.ts"
import { configBench, set, unset, version2, within } from "./config-bench.ts"

const { bench, refusal, answer } = configBench()

const daemon = 1

const at = (name: string): string => join(bench.dir, name)

/** Only root may read the target; the link and the directories are the services' user's. */
const linked = (name: string, text: string, owner = 0) => {
  const target = at("of-root.toml")
  writeFileSync(target, text, { mode: 0o600 })
  chownSync(target, owner, owner)
  mkdirSync(dirname(at(name)), { recursive: true })
  symlinkSync(target, at(name))
  for (const path of [dirname(at(name)), bench.dir]) chownSync(path, daemon, daemon)
  lchownSync(at(name), daemon, daemon)
}

const everything = () =>
  readdirSync(bench.dir, { recursive: true, encoding: "utf8" })
    .filter(
      (name) =>
        name !== "of-root.toml" &&
        statSync(at(name)).isFile() &&
        statSync(at(name)).ino !== statSync(at("of-root.toml")).ino
    )
    .map((name) => readFileSync(at(name), "utf8"))
    .join("")

const upgrade: Parameters<typeof answer>[0] = (config) => config.ask("Upgrade", undefined, within)

describe.runIf(isRoot)("root changes nothing behind a link of another user to root's file", () => {
  it.each([
    ["a setting", "mappers/c8y/mapper.toml", set("c8y.url", "new.example")],
    ["a setting of the device", "tedge.toml", set("device.type", "x")],
    ["a PIN", "secrets.toml", set("device.key_pin", "1")],
    ["a setting of tedge-p11-server", "tedge-p11-server.toml", set("p11_server.socket_mode", "600")],
    ["a PIN that moves", "mappers/c8y/mapper.toml", set("c8y.device.key_pin", "1")],
    ["the last setting", "mappers/c8y/mapper.toml", unset("c8y.url")],
    ["an upgrade", "mappers/c8y/mapper.toml", upgrade],
    ["an upgrade", "tedge.toml", upgrade]
  ])("%s, %s", async (_, name, change) => {
    const secret = "geheim"
    const text = name.startsWith("mappers")
      ? `url = "a.example"\nother = "${secret}"\ndevice.key_pin = "${secret}"\n`
      : name === "tedge.toml"
        ? version2(`[other]\nkey = "${secret}"\n[c8y]\nurl = "a.example"\nother = "${secret}"\n`)
        : `other = "${secret}"\n`
    linked(name, text)
    expect(await refusal(change)).toMatchObject({
      _tag: "ConfigFileNotWritten",
      path: at(name),
      code: "link of another user"
    })
    expect(everything()).not.toContain(secret)
    expect(readFileSync(at("of-root.toml"), "utf8")).toBe(text)
  })

  it("and changes the file behind a link whose maker owns it", async () => {
    linked("mappers/c8y/mapper.toml", 'url = "a.example"\n', daemon)
    chmodSync(at("of-root.toml"), 0o644)
    await answer(set("c8y.url", "b.example"))
    expect(readFileSync(at("of-root.toml"), "utf8")).toContain("b.example")
  })
})
