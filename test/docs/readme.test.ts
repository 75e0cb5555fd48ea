/** README stays short, and its transcript of `tedge connect` is what the command prints. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { root } from "./commands.ts"

const readme = readFileSync(join(root, "README.md"), "utf8")
const guide = readFileSync(join(root, "test/cli/golden/reconnect-c8y.txt"), "utf8").split("\n")

describe("README.md", () => {
  it("has at most 130 lines", () => expect(readme.trimEnd().split("\n").length).toBeLessThanOrEqual(130))

  it("shows lines of the golden transcript, in its order, with a device and a host of its own", () => {
    const shown = /^```text\n(connect to Cumulocity.*?)```$/ms.exec(readme)?.[1]?.trimEnd().split("\n") ?? []
    expect(shown).toHaveLength(12)
    expect(shown[0]).toBe("connect to Cumulocity cloud.:")
    const places = shown.slice(1).map((line) => {
      const label = /^ {8}(device id|cloud host): \S+/.exec(line)?.[0].split(":")[0]
      return label === undefined ? guide.indexOf(line) : guide.findIndex((known) => known.startsWith(`${label}:`))
    })
    expect(places).not.toContain(-1)
    expect(places).toEqual(places.toSorted((one, other) => one - other))
  })
})
