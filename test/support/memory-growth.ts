/** Memory that is asserted: by the interval of several samples, since one number says what else the allocator held then. */
import { setTimeout as pause } from "node:timers/promises"
import { intervalOf } from "../../scripts/lib/bench/judge.mjs"

/** The lower end of the interval of the median: beyond a limit only when the whole interval is. */
export const surelyGrownBy = async (sample: () => number | Promise<number>): Promise<number> => {
  const samples: Array<number> = []
  for (let n = 0; n < count; n++) samples.push(await sample())
  return intervalOf(samples).low
}

/** The same of a process that goes on meanwhile, over two seconds. */
export const surelyGrownMeanwhile = (sample: () => number): Promise<number> =>
  surelyGrownBy(async () => {
    await pause(2000 / count)
    return sample()
  })

const count = 9
