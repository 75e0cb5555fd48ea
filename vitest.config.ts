import { defineConfig } from "vitest/config"

/** pcscd and its virtual reader run for root only. */
const needsRoot = ["test/tokens/smart-card.token.test.ts"]
const isRoot = process.getuid?.() === 0
if (!isRoot) process.stderr.write(`not run without root: ${needsRoot.join(", ")}\n`)

export default defineConfig({
  define: { __VERSION__: JSON.stringify("0.0.0-test") },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: isRoot ? [] : needsRoot,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    // Many tests wait for time limits, with nothing to do meanwhile.
    maxWorkers: 3
  }
})
