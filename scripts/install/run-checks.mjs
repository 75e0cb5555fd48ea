/** Runs checks one after the other; a check that fails does not keep the others from being made. Answers how many passed and failed. */
export const runChecks = async (device, checks) => {
  const result = { passed: 0, failed: 0 }
  for (const [sentence, check] of checks) {
    const startedAt = performance.now()
    const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1)
    try {
      await check(device)
      result.passed += 1
      console.log(`  ok  ${sentence} (${seconds()} s)`)
    } catch (error) {
      result.failed += 1
      console.log(`FAIL  ${sentence} (${seconds()} s)\n${String(error.stack).replaceAll(/^/gm, "      ")}`)
    }
  }
  return result
}
