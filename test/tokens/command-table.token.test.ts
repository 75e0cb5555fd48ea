/** Every command and every signature on every token; the table of what was seen is printed at the end. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { freshHost } from "../actors/cryptoki/host/fresh-host.ts"
import type { Behaviour } from "./behaviour.ts"
import { behaviours, type Cell, printTable } from "./table.ts"
import type { TokenBench } from "./token-bench.ts"
import { startToken, type TokenName, tokenNames } from "./tokens.ts"

const seen = new Map<string, Cell>()
const cellOf = (behaviour: string, token: TokenName): Cell => seen.get(`${token}: ${behaviour}`)

beforeAll(freshHost)
afterAll(() => console.log(printTable(cellOf)))

/** Does it, and proves it; or sees it refused as it was declared. */
const observe = async (behaviour: Behaviour, token: TokenName, bench: TokenBench): Promise<Cell> => {
  const outcome = await behaviour.does(bench)
  const exception = behaviour.except?.[token]
  if (exception !== undefined) {
    expect(outcome.refusal ?? `it was done, and answered ${outcome.answer}`).toMatch(exception.says)
    return exception
  }
  expect(outcome.refusal).toBeUndefined()
  await behaviour.proves(bench, outcome)
  return "tick"
}

describe.each(tokenNames)("%s", (token) => {
  let bench: TokenBench
  beforeAll(async () => {
    bench = await startToken[token]()
  })
  afterAll(() => bench?.cleanup())

  for (const behaviour of behaviours)
    it(behaviour.name, async () => {
      seen.set(`${token}: ${behaviour.name}`, await observe(behaviour, token, bench))
    })

  it("is given a PIN only if it wants one", () => {
    if (bench.place.logins) expect(bench.place.logins()).toBe(0)
  })
})
