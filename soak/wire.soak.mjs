/**
 * 10 million inputs through the decoder of the signing service's frames, which server and client share.
 *
 * FUZZ_SEED repeats a run, FUZZ_RUNS makes it shorter or longer. Memory is looked at too: nothing may stay behind.
 */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { fuzz } from "./lib/wire-fuzz.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

/** In MiB: far more than the largest frame and what the collector leaves, far less than what a leak of bytes adds up to. */
const mostGrown = 200

export const soak = async (log) => {
  const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const count = Number(process.env.FUZZ_RUNS ?? 10_000_000)
  const codec = await load()
  log(`seed ${seed}, ${count} inputs`)
  const begun = performance.now()
  let first
  let most = 0
  const counts = fuzz(codec, {
    seed,
    count,
    onProgress: (done) => {
      const mib = process.memoryUsage().rss / 2 ** 20
      if (done >= count / 20) first ??= mib
      most = Math.max(most, mib)
      if (done > 0 && done % 1_000_000 === 0) log(`${done} inputs, ${mib.toFixed(0)} MiB resident`)
    }
  })
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  log(`${counts.frames} were frames, ${counts.refused} were refused; ${seconds} s; at most ${most.toFixed(0)} MiB`)
  if (first !== undefined && most - first > mostGrown) throw new Error(`memory grew from ${first} to ${most} MiB`)
}

const load = async () => {
  const outfile = join(root, "dist", "soak-wire.cjs")
  await build({
    entryPoints: [join(root, "src/messages/wire/frame1.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["effect"],
    logLevel: "warning"
  })
  return createRequire(import.meta.url)(outfile)
}
