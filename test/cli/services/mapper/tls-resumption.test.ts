/** Which connections may resume a TLS session: the mapper's with the cloud, unless it is turned off, and no others. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { planFrom } from "../../../support/device/mapper.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"

let dir: string
beforeAll(() => {
  dir = makeTempDir()
})
afterAll(() => removeTempDir(dir))

const device = '[device]\nid = "dev01"\n[c8y]\nurl = "tenant.example"\n'
const resumes = async (lines: string) => {
  const { localLink, cloudLink, serviceLink } = await Effect.runPromise(planFrom(dir, lines + device))
  return [localLink, cloudLink, serviceLink].map(({ target }) => target.tls?.resumesSessions ?? false)
}

describe("mqtt.bridge.tls_resumption", () => {
  it("is on for the mapper's connection with the cloud", async () => {
    expect(await resumes("")).toEqual([false, true, false])
  })

  it("can be turned off", async () => {
    expect(await resumes("[mqtt.bridge]\ntls_resumption = false\n")).toEqual([false, false, false])
  })

  it("does not reach the targets of commands", () => {
    const src = join(import.meta.dirname, "../../../../src")
    const setting = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
      (file) => file.endsWith(".ts") && readFileSync(join(src, file), "utf8").includes("resumesSessions: true }")
    )
    expect(setting).toEqual(["cli/services/mapper/mapper-plan.ts"])
  })
})
