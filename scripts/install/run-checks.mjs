/**
 * Runs checks one after the other. Answers how many passed and failed. `title`: what is checked, before each line.
 *
 * A check that fails does not keep the others from being made, unless each needs those before (`inOrder`): then the rest
 * counts as failed.
 */
export const runChecks = async (device, checks, { inOrder = false, title = "" } = {}) => {
  const result = { passed: 0, failed: 0 }
  for (const [sentence, check] of checks) {
    if (inOrder && result.failed > 0) {
      result.failed += 1
      console.log(`FAIL  ${title}${sentence}: not made, an earlier one failed`)
      continue
    }
    const startedAt = performance.now()
    const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1)
    try {
      await check(device)
      result.passed += 1
      console.log(`  ok  ${title}${sentence} (${seconds()} s)`)
    } catch (error) {
      result.failed += 1
      console.log(`FAIL  ${title}${sentence} (${seconds()} s)\n${String(error.stack).replaceAll(/^/gm, "      ")}`)
    }
  }
  return result
}
