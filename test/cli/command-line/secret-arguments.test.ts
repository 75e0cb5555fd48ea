import { describe, expect, it } from "vitest"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { secretArguments } from "../../../src/cli/command-line/secret-arguments.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"

describe("the secrets of a command line", () => {
  it.each([
    [["cert", "create-key-hsm", "--pin", "123456"], ["123456"]],
    [["cert", "create-key-hsm", "--pin=12=34"], ["12=34"]],
    [
      ["hsm", "init", "--so-pin", "1", "--pin", "2"],
      ["1", "2"]
    ],
    [["config", "set", "device.cryptoki.pin", "123456"], ["123456"]],
    [["config", "set", "--debug", "c8y.profiles.p.device.key_pin", "123456"], ["123456"]],
    [["config", "set", "device.key_uri", "pkcs11:token=t?pin-value=12%3334"], ["12%3334"]],
    [["config", "set", "c8y.url", "123456"], []],
    [["connect", "c8y"], []],
    [["hsm", "list-keys", "--pin"], []]
  ])("%j: %j", (words, secrets) => {
    expect(secretArguments(words, readWords(tedgeProgram, words))).toEqual(secrets)
  })
})
