/**
 * `npm run soak`: repeats what a device does for months, and fails when memory or anything else that is held grows.
 *
 * Each file of soak/ that ends in .soak.mjs exports `soak(log)`, which throws when a promise is broken. With names as
 * arguments only those run: `npm run soak -- tls`. The tests run smaller versions of the same.
 */
import "./lib/node-version.mjs"
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { SetupFailed, setup } from "./setup.mjs"

const folder = join(dirname(fileURLToPath(import.meta.url)), "../soak")
const suffix = ".soak.mjs"

const main = async (names) => {
  const files = existsSync(folder) ? readdirSync(folder) : []
  const known = files.flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []))
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new SetupFailed(`no such part: ${unknown.join(", ")}; there are: ${known.join(", ")}`)
  await setup("demo")
  for (const name of names.length > 0 ? names : known) await run(name)
}

const run = async (name) => {
  const { soak } = await import(join(folder, name + suffix))
  try {
    await soak((line) => console.log(`${name}: ${line}`))
    console.log(`${name}: kept its promises`)
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error
  console.error(`soak: ${error.message}`)
  process.exitCode = 1
}
