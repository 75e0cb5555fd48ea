/** What mosquitto reads of our files, told from its main file. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { isIncluded } from "../../../src/actors/connect/read-mosquitto-conf.ts"
import { explainNote } from "../../../src/messages/explain/note.ts"
import { tempDir } from "../../support/temp-dir.ts"

const ours = "/etc/tedge/mosquitto-conf"

const mainWith = (text: string): string => {
  const main = join(tempDir(), "mosquitto.conf")
  writeFileSync(main, text)
  return main
}

describe("mosquitto's main file", () => {
  it.each([
    [true, `include_dir ${ours}\n`],
    [true, `persistence true\n  include_dir\t${ours}/  \ninclude_dir /etc/mosquitto/conf.d\n`],
    [false, "include_dir /etc/mosquitto/conf.d\n"],
    [false, `#include_dir ${ours}\nlistener 1883\n`],
    [false, `include_dir ${ours}-other\n`]
  ])("%s: names our directory in %j", (expected, text) => {
    expect(isIncluded(ours, mainWith(text))).toBe(expected)
  })

  it("does not lend its include_dir to a file that is included: mosquitto ignores it there", () => {
    const folder = tempDir()
    mkdirSync(join(folder, "conf.d"))
    writeFileSync(join(folder, "conf.d", "tedge.conf"), `include_dir ${ours}\n`)
    const main = join(folder, "mosquitto.conf")
    writeFileSync(main, `include_dir ${join(folder, "conf.d")}\n`)
    expect(isIncluded(ours, main)).toBe(false)
  })

  it("is not checked if there is none", () => {
    expect(isIncluded(ours, join(tempDir(), "mosquitto.conf"))).toBeUndefined()
  })

  it("has its own sentence, with the line to add and where", () => {
    const note = { _tag: "BrokerReadsOtherFiles", directory: ours, main: "/etc/mosquitto/mosquitto.conf" } as const
    expect(explainNote(note).text).toContain(
      `add the line 'include_dir ${ours}' to /etc/mosquitto/mosquitto.conf itself`
    )
  })
})
