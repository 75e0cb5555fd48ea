/** Boolean attributes of one object on a token, read by pkcs11js alone, in a process of its own. */
import { execFileSync } from "node:child_process"
import { join } from "node:path"

export interface KeyPlace {
  readonly modulePath: string
  readonly env: Readonly<Record<string, string>>
  readonly serial: string
  readonly pin: string
}

/** By name, of the only object of this class and id (hex digits). An attribute the token does not have is undefined. */
export const keyBooleans = <Name extends string>(
  { env, ...place }: KeyPlace,
  kind: "private" | "public",
  id: string,
  attributes: Readonly<Record<Name, number>>
): Readonly<Partial<Record<Name, boolean>>> =>
  JSON.parse(
    execFileSync(process.execPath, ["-e", script, JSON.stringify({ ...place, kind, id, attributes })], {
      cwd: join(import.meta.dirname, "../../.."),
      env: { ...process.env, ...env },
      encoding: "utf8"
    })
  )

const script = `
  const { PKCS11, CKF_SERIAL_SESSION } = require("pkcs11js")
  const { modulePath, serial, pin, kind, id, attributes } = JSON.parse(process.argv[1])
  const module = new PKCS11()
  module.load(modulePath)
  module.C_Initialize()
  const slot = module.C_GetSlotList(true).find((one) => module.C_GetTokenInfo(one).serialNumber.trim() === serial)
  const session = module.C_OpenSession(slot, CKF_SERIAL_SESSION)
  module.C_Login(session, 1, pin)
  module.C_FindObjectsInit(session, [
    { type: 0, value: kind === "private" ? 3 : 2 },
    { type: 0x102, value: Buffer.from(id, "hex") }
  ])
  const found = module.C_FindObjects(session, 2)
  if (found.length !== 1) throw new Error("objects of this class and id: " + found.length)
  const read = (type) => {
    try {
      return module.C_GetAttributeValue(session, found[0], [{ type }])[0].value[0] === 1
    } catch {
      return undefined
    }
  }
  console.log(JSON.stringify(Object.fromEntries(Object.entries(attributes).map(([name, type]) => [name, read(type)]))))
`
