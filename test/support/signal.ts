/** Sends a signal to one process: 0 would be everybody in our group, the test run among them, and -1 everybody. */
export const signal = (pid: number | undefined, name: NodeJS.Signals): void => {
  if (pid === undefined || !Number.isSafeInteger(pid) || pid <= 1) throw new Error(`${pid} is no process`)
  process.kill(pid, name)
}
