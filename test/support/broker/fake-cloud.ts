/** A Cumulocity to connect to, and the authority whose certificates it accepts. Shared with the demo. */
import { join } from "node:path"
import { type FakeCloud, startFakeCloud } from "../../../scripts/lib/device/fake-cloud.mjs"
import { createTestCa, type TestCa } from "../../../scripts/lib/device/test-ca.mjs"

export type { CloudBehaviour, CloudMessage, FakeCloud } from "../../../scripts/lib/device/fake-cloud.mjs"
export type { KeyAndCertificate, TestCa } from "../../../scripts/lib/device/test-ca.mjs"
export { createTestCa, startFakeCloud }

/** Both, with files below `dir`. Close the cloud when done. */
export const startCloudWithCa = async (dir: string): Promise<{ readonly ca: TestCa; readonly cloud: FakeCloud }> => {
  const ca = await createTestCa(join(dir, "ca"))
  return { ca, cloud: await startFakeCloud({ dir: join(dir, "cloud"), ca }) }
}
