/** What people type for a setting. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cloudOf, fullKey, parseProfile, parseSettingName } from "../../../src/messages/settings/setting-name.ts"
import { settingsTable } from "../../../src/messages/settings/settings-table.ts"

const anySetting = fc.constantFrom(...settingsTable)
const cloudSetting = fc.constantFrom(...settingsTable.filter((setting) => cloudOf(setting) !== undefined))
const anyProfile = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,8}$/)

describe("the name of a setting", () => {
  it("means the setting however dots and underscores are mixed", () => {
    fc.assert(
      fc.property(anySetting, fc.infiniteStream(fc.boolean()), (setting, coins) => {
        const typed = setting.key.replace(/[._]/g, () => (coins.next().value ? "." : "_"))
        expect(parseSettingName(typed)?.setting.key).toBe(setting.key)
      })
    )
  })

  it("with a profile means the setting of that profile, dotted or as a variable has it", () => {
    fc.assert(
      fc.property(cloudSetting, anyProfile, (setting, profile) => {
        const key = fullKey({ setting, profile })
        expect(parseSettingName(key)).toEqual({ setting, profile, spelling: "canonical" })
        const found = parseSettingName(key.replaceAll(".", "_"))
        expect(found === undefined ? undefined : fullKey(found)).toBe(key)
      })
    )
  })

  it("keeps an underscore of a dotted profile name", () => {
    const found = parseSettingName("c8y.profiles.my_site.device.key_uri")
    expect(found && fullKey(found)).toBe("c8y.profiles.my_site.device.key_uri")
  })

  it("takes azure for az", () => {
    expect(parseSettingName("azure.url")).toMatchObject({ setting: { key: "az.url" }, spelling: "deprecated" })
    expect(parseSettingName("azure.profiles.b.url")).toMatchObject({ setting: { key: "az.url" }, profile: "b" })
  })

  it.each([
    "",
    "device",
    "device.",
    "c8y",
    "c8y.profiles",
    "c8y.profiles.x",
    "device.profiles.x.id",
    "C8Y.URL",
    "a".repeat(5000)
  ])("is not '%s'", (typed) => {
    expect(parseSettingName(typed)).toBeUndefined()
  })
})

describe("the name of a profile", () => {
  it("is lower-cased", () => {
    expect(parseProfile("Prod-1_a")).toEqual({ name: "prod-1_a" })
  })

  it.each([
    ["", "empty"],
    ["a.b", "characters"],
    ["ä", "characters"],
    ["-_", "no-letter-or-digit"]
  ])("'%s' is refused: %s", (typed, problem) => {
    expect(parseProfile(typed)).toEqual({ problem })
  })
})
