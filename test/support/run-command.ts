/** Other programs, run to their end, with exit code and output. */
export { type Done, find, mustRun, type RunOptions, run } from "../../scripts/lib/run.mjs"
