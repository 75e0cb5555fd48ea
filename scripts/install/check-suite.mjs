/** What is checked on one release of Debian: each part on a system of its own, in layers above the same smallest one. */
import { copyFileSync, mkdirSync } from "node:fs"
import { basename, join } from "node:path"
import { accessChecks } from "./access-checks.mjs"
import { bootContainer } from "./container.mjs"
import { containerChecks } from "./container-checks.mjs"
import { CheckFailed } from "./demand.mjs"
import { openDevice } from "./device.mjs"
import { addLayer, openRoot } from "./fresh-root.mjs"
import { maintainerChecks } from "./maintainer-checks.mjs"
import { movingOverChecks } from "./moving-over-checks.mjs"
import { packageChecks } from "./package-checks.mjs"
import { afterwards, quickStartChecks } from "./quick-start-checks.mjs"
import { runChecks } from "./run-checks.mjs"
import { serviceChecks } from "./service-checks.mjs"
import { statusChecks } from "./status-checks.mjs"
import { startTpm, tpmEnvironment, tpmPackages } from "./tpm-machine.mjs"

const init = ["systemd", "systemd-sysv", "dbus", "procps", "iproute2"]
const tokens = ["mosquitto", "softhsm2", "pcscd", "polkitd", "opensc", "opensc-pkcs11", "vsmartcard-vpcd"]
const broker = ["softhsm2", "mosquitto", "apparmor"]

export const allSuites = ["bookworm", "trixie"]

/** The suite of the recipe's base image. */
const recipeSuite = "trixie"

/** Where the nodejs of Debian is too old: apt knows of it. */
const hasOldNode = (suite) => suite === "bookworm"

/** For makeRoot: what is installed from Debian on any of the systems of a suite, our packages' own needs included. */
export const archiveOf = (suite) => {
  const named = [...init, ...tokens, ...broker, ...tpmPackages, "libtpm2-pkcs11-1", "ca-certificates", "passwd"]
  return {
    packages: [...named, ...(hasOldNode(suite) ? ["libstdc++6", "libgcc-s1"] : ["nodejs"])],
    listed: hasOldNode(suite) ? ["nodejs"] : []
  }
}

/** Name -> run(place); answers how many checks passed and failed. */
export const parts = {
  packages: async ({ base, folder, hasOldNode, packages, versions, node, runAll }) =>
    inRoot([base], folder("packages"), broker, (debian) => {
      const files = [[...packages[0], ...node], packages[1]]
      const [debs, next] = files.map((some, index) => copied(debian, some, `/opt/packages-${index}`))
      return runAll({ ...debian, debs, next, versions, hasOldNode }, packageChecks)
    }),
  "quick-start": async ({ booted, folder, packages, runAll }) =>
    inContainer(await booted(), folder("quick-start"), (device) =>
      runAll(
        { ...device, files: packages },
        [...quickStartChecks("From a bare Debian to connected: SoftHSM2"), ...afterwards],
        { inOrder: true }
      )
    ),
  "without-systemd": async ({ bare, folder, packages, runAll }) =>
    inRoot(await bare(), folder("without-systemd"), [], async (debian) => {
      const device = await openDevice(debian, folder("without-systemd-around"))
      try {
        const [first] = quickStartChecks("From a bare Debian to connected: SoftHSM2").slice(1)
        return await runAll({ ...device, files: packages }, [first, ...afterwards], { inOrder: true })
      } finally {
        await device.close()
      }
    }),
  tpm: async ({ booted, folder, packages, runAll }) => {
    const layers = await addLayer({ layers: await booted(), dir: folder("tpm-layer"), packages: tpmPackages })
    return inContainer(layers, folder("tpm"), async (device) => {
      const tpm = await startTpm(device, folder("tpm-state"))
      try {
        const heading = "From a bare Debian to connected: a TPM 2.0"
        const machine = { ...device, files: packages, environment: tpmEnvironment }
        return await runAll(machine, quickStartChecks(heading), { inOrder: true })
      } finally {
        await tpm.stop()
      }
    })
  },
  "moving-over": async ({ equipped, folder, packages, runAll }) =>
    inContainer(await equipped(), folder("moving-over"), (device) =>
      runAll({ ...device, files: packages }, movingOverChecks, { inOrder: true })
    ),
  services: async ({ equipped, folder, packages, runAll }) =>
    inContainer(await equipped(), folder("services"), async (device) => {
      const [old, next] = packages.map((files) => files.filter((file) => nameOf(file) === "tedge-actors"))
      await device.install(old)
      const all = [...serviceChecks, ...statusChecks, ...accessChecks, ...maintainerChecks({ old, next })]
      return runAll(device, all.map(startsAnew), { inOrder: true })
    }),
  recipe: async ({ suite, base, folder, packages: [files], runAll }) =>
    suite === recipeSuite
      ? inRoot([base], folder("recipe"), [], (debian) => runAll({ ...debian, packages: files }, containerChecks))
      : { passed: 0, failed: 0 }
}

/** Groups of about the same length, which run at the same time: much of each waits for a service. */
const groups = [["services"], ["moving-over", "packages"], ["quick-start", "without-systemd", "tpm", "recipe"]]

/** `base`: a directory with the smallest Debian of that suite; `files`: all packages; `versions`: of ours, the older first. */
export const checkSuite = async ({ suite, base, files, versions, work, names }) => {
  const place = placeOf({ suite, base, files, versions, work })
  const wanted = (name) => names.length === 0 || names.includes(name)
  const done = await Promise.all(groups.map((group) => checkParts(suite, place, group.filter(wanted))))
  return done.reduce(sum)
}

const checkParts = async (suite, place, names) => {
  let total = { passed: 0, failed: 0 }
  for (const name of names) {
    const startedAt = performance.now()
    const title = `${suite}, ${name}: `
    const runAll = (device, checks, options) => runChecks(device, checks, { ...options, title })
    total = sum(total, await parts[name]({ ...place, runAll }).catch((error) => couldNotBegin(title, error)))
    console.log(`      ${title}${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  }
  return total
}

const sum = (left, right) => ({ passed: left.passed + right.passed, failed: left.failed + right.failed })

const couldNotBegin = (title, error) => {
  console.log(`FAIL  ${title}${error.stack}`)
  return { passed: 0, failed: 1 }
}

/** The checks restart the signing service more often than its StartLimitBurst lets a service restart. */
const startsAnew = ([sentence, check]) => [
  sentence,
  async (device) => {
    await device.exec(["systemctl", "reset-failed", "tedge-p11-server.service", "tedge-p11-server.socket"])
    await check(device)
  }
]

/** Layers are made once, when they are first used. */
const placeOf = ({ suite, base, files, versions, work }) => {
  const folder = (name) => join(work, `${suite}-${name}`)
  const packages = versions.map((version) => files.filter((file) => versionOf(file) === version))
  const isOld = hasOldNode(suite)
  const node = files.filter((file) => isOld && nameOf(file) === "tedge-actors-node")
  const bare = once(async () => (isOld ? addLayer({ layers: [base], dir: folder("node"), files: node }) : [base]))
  const booted = once(async () => addLayer({ layers: await bare(), dir: folder("booted"), packages: init }))
  const equipped = once(async () =>
    addLayer({
      layers: await booted(),
      dir: folder("equipped"),
      packages: [...tokens, ...(isOld ? [] : ["nodejs"])]
    })
  )
  return { suite, base, folder, packages, versions, node, hasOldNode: isOld, bare, booted, equipped }
}

const once = (make) => {
  let made
  return () => {
    made ??= make()
    return made
  }
}

/** Answers name -> path inside. */
const copied = (debian, files, place) => {
  mkdirSync(debian.path(place), { recursive: true })
  for (const file of files) copyFileSync(file, join(debian.path(place), basename(file)))
  return Object.fromEntries(files.map((file) => [nameOf(file), join(place, basename(file))]))
}

const nameOf = (file) => basename(file).split("_")[0]

const versionOf = (file) => basename(file).split("_")[1]

const inRoot = async (layers, dir, packages, use) => {
  const all = packages.length > 0 ? await addLayer({ layers, dir: `${dir}-layer`, packages }) : layers
  const debian = await openRoot({ layers: all, dir })
  try {
    return await use(withShortcuts(debian))
  } finally {
    await debian.close()
  }
}

const inContainer = async (layers, dir, use) => {
  const container = await bootContainer({ layers, dir })
  try {
    const device = await openDevice(container, `${dir}-around`)
    try {
      return await use(device)
    } finally {
      await device.close()
    }
  } finally {
    await container.stop()
  }
}

/** Commands that must succeed. */
const withShortcuts = (debian) => ({
  ...debian,
  must: async (...argv) => mustBe(await debian.exec(argv)),
  install: async (...packages) => mustBe(await debian.apt("install", ...packages)),
  remove: async (...words) => mustBe(await debian.apt("remove", ...words)),
  update: async () => mustBe(await debian.apt("update"))
})

const mustBe = ({ code, signal, stdout, stderr }) => {
  if (code !== 0) throw new CheckFailed(`it ended with ${signal ?? `exit code ${code}`}\n${stdout}\n${stderr}`)
  return stdout
}
