/** Ten logins a minute for each token. */
import { expect, it } from "vitest"
import { LoginRate } from "../../../../src/actors/cryptoki/pin/pin-latch.ts"

it("makes the eleventh login of a minute wait for the end of the first one's minute", () => {
  const rate = new LoginRate()
  for (let n = 0; n < 10; n++) expect(rate.take("t", n * 1000)).toBe(0)
  expect(rate.take("t", 10_000)).toBe(50_000)
  expect(rate.take("other", 10_000)).toBe(0)
  expect(rate.take("t", 59_999)).toBe(1)
  expect(rate.take("t", 60_000)).toBe(0)
  expect(rate.take("t", 60_000)).toBe(1000)
})
