import { expect, it } from "vitest"
import { isFilter } from "../../../../src/actors/mqtt/client/subscription-filter.ts"

it.each(["a", "#", "+", "a/#", "a/+/b", "+/+", "/", "a//b", "$share/g/a/#", "x".repeat(65_535)])(
  "%.20s is a filter",
  (text) => {
    expect(isFilter(text)).toBe(true)
  }
)

it.each(["", "a#", "#/a", "a/#/b", "a+", "a/+b", "a\0b", "x".repeat(65_536), "é".repeat(32_768)])(
  "%.20j is no filter",
  (text) => {
    expect(isFilter(text)).toBe(false)
  }
)
