/** Which device id the device, a cloud and a profile have, with certificates of their own: before and after `cert create`. */
import { join } from "node:path"
import { expect, it } from "vitest"
import { configInProcess } from "../../../support/device/config-in-process.ts"
import { tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const sections = [[], ["c8y"], ["c8y", "--profile", "foo"]] as const
const idKeys = ["device.id", "c8y.device.id", "c8y.profiles.foo.device.id"]

type Ids = readonly (string | undefined)[]

/** `create`: the section of the certificate, and `--device-id`. Undefined: there is no id. */
const rows: ReadonlyArray<{ readonly set: Ids; readonly create: readonly [0 | 1 | 2, string?]; readonly after: Ids }> =
  [
    { set: [], create: [0, "input"], after: ["input", undefined, undefined] },
    { set: ["main"], create: [0, "other"], after: ["other", "main", "main"] },
    { set: ["main"], create: [1, "other"], after: ["main", "other", "main"] },
    { set: ["main"], create: [2, "other"], after: ["main", "main", "other"] },
    { set: ["main", "cloud"], create: [1, "other"], after: ["main", "other", "main"] },
    { set: ["main", "cloud"], create: [2, "other"], after: ["main", "cloud", "other"] },
    { set: ["main", "cloud", "foo"], create: [2, "other"], after: ["main", "cloud", "other"] },
    { set: ["main"], create: [0], after: ["main", "main", "main"] },
    { set: ["main"], create: [1], after: ["main", "main", "main"] },
    { set: ["main"], create: [2], after: ["main", "main", "main"] },
    { set: ["main", "cloud"], create: [1], after: ["main", "cloud", "main"] },
    { set: ["main", "cloud"], create: [2], after: ["main", "cloud", "main"] },
    { set: ["main", "cloud", "foo"], create: [2], after: ["main", "cloud", "foo"] }
  ]

it.each(rows)("ids that are set $set, cert create $create: $after", async ({ set, create: [section, id], after }) => {
  const device = tedgeInProcess(tempDir())
  const config = configInProcess(device.configDir)
  const ids = () =>
    Promise.all(idKeys.map(async (key) => (await config("config", "get", key)).stdout.trim() || undefined))
  await config("config", "set", "c8y.profiles.foo.url", "foo.example")
  for (const [prefix, name] of [
    ["c8y", "default"],
    ["c8y.profiles.foo", "foo"]
  ])
    for (const path of ["cert_path", "key_path"])
      await config("config", "set", `${prefix}.device.${path}`, join(device.configDir, `${path}@${name}.pem`))
  for (const [at, value] of set.entries())
    if (value !== undefined) await config("config", "set", `${idKeys[at]}`, value)

  const named = id === undefined ? [] : ["--device-id", id]
  const done = await device.tedge(["cert", "create", ...sections[section], ...named])
  expect([done.code, `${done.stdout}${done.stderr}`]).toEqual([0, expect.stringContaining(`CN=${after[section]}`)])
  expect(await ids()).toEqual(after)
})

it("one certificate for all gives all its name", async () => {
  const device = tedgeInProcess(tempDir())
  const config = configInProcess(device.configDir)
  await config("config", "set", "c8y.profiles.foo.url", "foo.example")
  expect((await config("config", "get", "device.id")).code).toBe(1)
  expect(await device.tedge(["cert", "create", "--device-id", "input"])).toMatchObject({ code: 0 })
  for (const key of idKeys) expect((await config("config", "get", key)).stdout).toBe("input\n")
})
