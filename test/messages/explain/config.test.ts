/** What is said of a value that does not fit its setting. */
import { expect, it } from "vitest"
import { InvalidSetting } from "../../../src/messages/config.ts"
import { explainConfig } from "../../../src/messages/explain/config.ts"

it("names the wildcard that has no place in a part of topics", () => {
  const failure = new InvalidSetting({
    key: "mqtt.topic_root",
    value: "te/#",
    source: { kind: "argument" },
    problem: { kind: "wildcard", character: "#" }
  })
  const { error, hint } = explainConfig(failure)
  expect(`${error} ${hint}`).toContain("it is a part of topics and cannot contain '#'")
})
