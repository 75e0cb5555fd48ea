/** The table is data; what must hold for every row of it. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { cloudNames } from "../../../src/messages/settings/setting.ts"
import { parseSettingName, settingByKey } from "../../../src/messages/settings/setting-name.ts"
import { settingsTable, thinEdgeSettings } from "../../../src/messages/settings/settings-table.ts"
import { similarKeys } from "../../../src/messages/settings/similar-names.ts"
import { parseText } from "../../../src/messages/settings/value.ts"

const keys = settingsTable.map(({ key }) => key)
const older = settingsTable.flatMap(({ key, deprecated = [] }) => deprecated.map((name) => ({ name, key })))

describe("the settings table", () => {
  it("knows the 158 keys of thin-edge to the letter, two of them as older names of others", () => {
    const theirs = readFileSync(new URL("../../fixtures/thin-edge-keys.txt", import.meta.url), "utf8")
      .trim()
      .split("\n")
    const shadowed = ["c8y.entity_store.auto_register", "c8y.entity_store.clean_start"]
    expect(theirs).toHaveLength(158)
    expect([...thinEdgeSettings.map(({ key }) => key), ...shadowed].sort()).toEqual(theirs.sort())
    expect(shadowed.map((key) => parseSettingName(key)?.setting.key)).toEqual([
      "agent.entity_store.auto_register",
      "agent.entity_store.clean_start"
    ])
  })

  it("has its own keys behind them, all of the bridge or under p11_server", () => {
    const ours = keys.slice(thinEdgeSettings.length)
    expect(ours).toContain("p11_server.socket_mode")
    expect(ours.filter((key) => !/^(p11_server|mqtt\.bridge|(c8y|az|aws)\.bridge)\./.test(key))).toEqual([])
  })

  it("has no two names that are one when dots and underscores are the same", () => {
    const names = [...keys, ...older.map(({ name }) => name)].map((name) => name.replaceAll(".", "_"))
    expect(new Set(names).size).toBe(names.length)
  })

  it("has no key that is a table of another", () => {
    expect(keys.filter((key) => keys.some((other) => other.startsWith(`${key}.`)))).toEqual([])
  })

  it.each(settingsTable.map((setting) => [setting.key, setting] as const))(
    "%s: default, words and other keys fit",
    (_, setting) => {
      const { type, default: given, fallback = [], fallbackWhenUsed, certificateName } = setting
      if (typeof given === "string") expect(parseText(type, given, "/").ok).toBe(true)
      for (const word of Object.values(setting.deprecatedWords ?? {})) expect(parseText(type, word, "/").ok).toBe(true)
      for (const key of [...fallback, fallbackWhenUsed, certificateName].filter((one) => one !== undefined))
        expect(settingByKey(key)?.key).toBe(key)
      expect(setting.doc).toMatch(/^[^\s].*\. ?$/s)
    }
  )

  it("has examples that are values of their settings", () => {
    const wrong = settingsTable.flatMap(({ key, type, examples = [] }) =>
      examples.filter((example) => !parseText(type, example, "/").ok).map((example) => `${key}=${example}`)
    )
    expect(wrong).toEqual([])
  })

  it("gives the token's PIN no default", () => {
    expect(settingByKey("device.cryptoki.pin")?.default).toBeUndefined()
  })

  it("marks PINs and passwords as secret", () => {
    const secret = settingsTable.filter((setting) => setting.secret).map(({ key }) => key)
    const cloudPins = cloudNames.map((cloud) => `${cloud}.device.key_pin`)
    expect(secret.sort()).toEqual([...cloudPins, "device.cryptoki.pin", "device.key_pin", "proxy.password"].sort())
  })

  it.each(older)("takes $name as an older name of $key", ({ name, key }) => {
    expect(parseSettingName(name)).toMatchObject({ setting: { key }, spelling: "deprecated" })
  })
})

describe("suggestions for a misspelt key", () => {
  it.each([
    ["device.cryptoki.mod", "device.cryptoki.mode"],
    ["device.keyuri", "device.key_uri"],
    ["c8y.ulr", "c8y.url"]
  ])("for %s begin with %s", (given, meant) => {
    expect(similarKeys(given)[0]).toBe(meant)
  })

  it("are none for something else", () => {
    expect(similarKeys("does.not.exist.at.all")).toEqual([])
  })
})
