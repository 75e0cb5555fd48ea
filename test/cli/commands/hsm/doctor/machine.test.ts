/** What the doctor says of a device that is a copy of another. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { machineCheck } from "../../../../../src/cli/commands/hsm/doctor/device-files.ts"
import { type Check, examine } from "../../../../../src/cli/commands/hsm/doctor/examination.ts"
import { printMachineMark } from "../../../../../src/platform/process/machine-mark.ts"
import { tempDir } from "../../../../support/temp-dir.ts"

const here = { id: "a".repeat(32), hardware: undefined }
const elsewhere = { id: "b".repeat(32), hardware: undefined }

const told = async (connected: typeof here | undefined) => {
  const configDir = tempDir()
  if (connected !== undefined) writeFileSync(join(configDir, ".connected-machine"), printMachineMark(connected))
  const checks: Array<Check> = []
  await Effect.runPromise(
    machineCheck(
      examine(checks, { waiting: () => Effect.succeed(Effect.void) }, () => Effect.void),
      { configDir },
      here
    )
  )
  return { configDir, checks }
}

describe("the doctor, on a copy of a device", () => {
  it("says so, with what to do for a copy and for a replaced board", async () => {
    const { configDir, checks } = await told(elsewhere)
    expect(checks).toEqual([
      {
        name: "machine",
        ok: false,
        detail: expect.stringContaining(`'${configDir}' was connected on another machine`),
        hint: expect.stringMatching(/tedge cert create.*tedge reconnect/)
      }
    ])
  })

  it("is content with the machine that connected, and says nothing of one that never did", async () => {
    expect((await told(here)).checks).toMatchObject([{ name: "machine", ok: true }])
    expect((await told(undefined)).checks).toEqual([])
  })
})
