/** `tedge hsm doctor c8y --json`, read. */
import type { Device } from "./device.ts"

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly hint?: string
}

export const askDoctor = async (
  device: Pick<Device, "tedge">
): Promise<{ readonly code: number; readonly checks: ReadonlyArray<Check> }> => {
  const { code, stdout } = await device.tedge(["hsm", "doctor", "c8y", "--json"])
  return { code, checks: JSON.parse(stdout) }
}
