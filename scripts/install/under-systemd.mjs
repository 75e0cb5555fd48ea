/**
 * The checks of an installed device under systemd.
 *
 * By themselves, on a Debian in the directory ROOT that has systemd, mosquitto, softhsm2 and a Node, as root:
 * `node scripts/install/under-systemd.mjs ROOT PACKAGE.deb [NEXT.deb]`. ROOT is not changed, and nothing is left, not after a
 * failure, either.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { checks, upgradeUnderTraffic } from "./checks.mjs"
import { bootContainer, whyNoContainer } from "./container.mjs"
import { CheckFailed } from "./demand.mjs"
import { openDevice } from "./device.mjs"
import { runChecks } from "./run-checks.mjs"

/** Debian packages that the checks need besides the smallest system. */
export const neededPackages = [
  ...["systemd", "systemd-sysv", "dbus", "procps", "iproute2", "mosquitto", "softhsm2"],
  ...["pcscd", "polkitd", "opensc", "opensc-pkcs11"]
]

/** `packages`: files that are installed first; `next`: what they are upgraded to. Answers how many passed and failed. */
export const checkUnderSystemd = async ({ root, packages, next }) => {
  const reason = await whyNoContainer()
  if (reason !== undefined) throw new CheckFailed(`no container with systemd: ${reason}`)
  const dir = mkdtempSync(join(tmpdir(), "tedge-install-"))
  try {
    const container = await bootContainer({ root, dir: join(dir, "changes") })
    try {
      const device = await openDevice(container, join(dir, "around"))
      const install = async (files) => {
        const inner = files.map((file) => `/root/${basename(file)}`)
        for (const [index, file] of files.entries()) copyFileSync(file, container.path(inner[index]))
        await device.must("dpkg", "--install", ...inner)
      }
      try {
        await install(packages)
        return await runChecks(device, [...checks, upgradeUnderTraffic(() => install(next))], { inOrder: true })
      } finally {
        await device.close()
      }
    } finally {
      await container.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [, , root, first, second = first] = process.argv
  const { passed, failed } = await checkUnderSystemd({ root, packages: [first], next: [second] })
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
