/**
 * A cloud in the network of a root: `node cloud.mjs DIRECTORY`, started by nsenter with this machine's programs.
 *
 * Writes `{ address, authority }` as a line when it is ready. Each line it reads is the path of a certificate: from then on it
 * takes that device, and says so with a line.
 */
import { join } from "node:path"
import { createInterface } from "node:readline"
import { startFakeCloud } from "../lib/fake-cloud.mjs"
import { createTestCa } from "../lib/test-ca.mjs"

const dir = process.argv[2]
const ca = await createTestCa(join(dir, "ca"))
const cloud = await startFakeCloud({ dir: join(dir, "cloud"), ca })
process.stdout.write(`${JSON.stringify({ address: cloud.address, authority: ca.certificate })}\n`)
for await (const certificate of createInterface({ input: process.stdin })) {
  await cloud.trustOnly(certificate)
  process.stdout.write("trusted\n")
}
await cloud.close()
