/**
 * `npm run test:vm`: the packages on a machine of its own, emulated by QEMU: the kernel's TPM driver, device policy, reboot. As root.
 *
 * `npm run test:vm -- small` is the smallest machine (256 MB, one core) instead. The last line counts the checks.
 */
import "./lib/node-version.mjs"
import { readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { CheckFailed } from "./install/demand.mjs"
import { whyNoRoot } from "./install/fresh-root.mjs"
import { runChecks } from "./install/run-checks.mjs"
import { mustRun } from "./lib/run.mjs"
import { inOwnDirectory } from "./lib/tests/own-directory.mjs"
import { SetupFailed, setup } from "./setup.mjs"
import { withMachine } from "./vm/device.mjs"
import { makeImage } from "./vm/image.mjs"
import { rebootChecks } from "./vm/reboot-checks.mjs"
import { smallChecks } from "./vm/small-checks.mjs"
import { tpmChecks } from "./vm/tpm-checks.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

const machines = {
  device: { memoryMb: 1024, cores: Math.min(2, availableParallelism()), checks: [...tpmChecks, ...rebootChecks] },
  small: { memoryMb: 256, cores: 1, checks: smallChecks }
}

const main = async (words) => {
  const name = words[0] ?? "device"
  if (words.length > 1 || !(name in machines))
    throw new CheckFailed(`'${words.join(" ")}' is not one of ${Object.keys(machines).join(", ")}`)
  if (process.arch !== "x64") throw new CheckFailed("the machine is an amd64, made on one")
  const why = await whyNoRoot()
  if (why !== undefined) throw new CheckFailed(`a fresh Debian cannot be made: ${why}`)
  await setup("vm")
  const interrupted = atSignal()
  return inOwnDirectory(({ dir }) => {
    process.env.TMPDIR = dir // of what is started, too: so it is found and ended
    return Promise.race([checkOn(machines[name], dir), interrupted])
  })
}

const checkOn = async ({ checks, ...size }, work) => {
  console.log("making the packages, and a disk with a Debian 13")
  const out = join(work, "packages")
  await mustRun(process.execPath, ["scripts/package.mjs", "--arch", "amd64", "--out", out], { cwd: root })
  const packages = readdirSync(out)
    .filter((file) => /^tedge-actors_.*\.deb$/.test(file))
    .map((file) => join(out, file))
  const image = await makeImage({ work: join(work, "image"), packages })
  console.log(`booting a machine with ${size.memoryMb} MB, ${size.cores === 1 ? "one core" : `${size.cores} cores`}`)
  return withMachine({ image, dir: join(work, "machine"), ...size }, async (device) => {
    console.log(
      `      ${await device.must("sh", "-c", "echo Debian $(cat /etc/debian_version), Linux $(uname -r), Node $(node -v)")}`.trimEnd()
    )
    return runChecks(device, checks, { inOrder: true })
  })
}

/** A machine that is ended answers nothing more: its end is not waited for. */
const atSignal = () =>
  new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
      process.once(signal, () => reject(new CheckFailed(`interrupted (${signal})`)))
  })

try {
  const { passed, failed } = await main(process.argv.slice(2))
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
} catch (error) {
  console.error(error instanceof CheckFailed || error instanceof SetupFailed ? `error: ${error.message}` : error)
  console.log("\n0 passed, 1 failed")
  process.exitCode = 1
}
