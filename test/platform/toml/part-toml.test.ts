/** Tables of a TOML document become documents of their own, with their comments. */
import { isDeepStrictEqual } from "node:util"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Assign, partToml } from "../../../src/platform/toml/part-toml.ts"
import { parseToml, plainToml } from "../../../src/platform/toml/toml-file.ts"
import { tomlDocument } from "./toml-arbitrary.ts"

const assign: Assign = ([first, second, third, ...rest]) => {
  if (first !== "c8y") return undefined
  if (second !== "profiles") return { to: "c8y", at: [second, third, ...rest].filter((one) => one !== undefined) }
  return third === undefined ? { to: undefined, at: [] } : { to: `c8y.${third}`, at: rest }
}

const parted = (text: string) => {
  const result = partToml(text, assign)
  if (result.kind === "refused") throw new Error(result.detail)
  return { rest: result.rest, parts: Object.fromEntries(result.parts) }
}

describe("a table becomes a document of its own", () => {
  it("with its comments, those above it too; the rest stays to the byte", () => {
    const text = `# of the file
[config]
version = "2"

# of the device
[device] # x
type = "a" # type

# the cloud
[c8y] # in use
url = "t.example" # url
# its key
[c8y.device]
key_uri = "pkcs11:a" # token

# production
[c8y.profiles.prod]
url = "p.example"
[c8y.profiles.prod.device]
id = "x"

[mqtt]
# tail
`
    expect(parted(text)).toEqual({
      rest: `# of the file
[config]
version = "2"

# of the device
[device] # x
type = "a" # type

[mqtt]
# tail
`,
      parts: {
        c8y: '# the cloud\n# in use\nurl = "t.example" # url\n\n# its key\n[device]\nkey_uri = "pkcs11:a" # token\n\n',
        "c8y.prod": '# production\nurl = "p.example"\n\n[device]\nid = "x"\n\n'
      }
    })
  })

  it("also from dotted keys, and from tables that stand in another order", () => {
    const text =
      'c8y.url = "t.example"\na = 1\n[c8y.device]\nid = "x"\n[other]\nb = 1\n[c8y.smartrest]\ntemplates = ["a"]\n'
    expect(parted(text)).toEqual({
      rest: "a = 1\n[other]\nb = 1\n",
      parts: { c8y: 'url = "t.example"\n\n[device]\nid = "x"\n[smartrest]\ntemplates = ["a"]\n' }
    })
  })

  it("also from inline tables, printed anew", () => {
    expect(parted('c8y = { url = "t.example", profiles = { p = { url = "p.example" } } } # c\n[a]\n')).toMatchObject({
      parts: { c8y: 'url = "t.example"\n', "c8y.p": 'url = "p.example"\n' }
    })
  })

  it("and nothing is lost of any document, or it is refused", () =>
    fc.assert(
      fc.property(tomlDocument, (text) => {
        const before = parseToml(text)
        if (before.kind !== "tree") return
        const result = partToml(text, assign)
        if (result.kind === "refused") return
        const tree = (part: string | undefined) => {
          const read = parseToml(part ?? "")
          if (read.kind !== "tree") throw new Error(part)
          return read.tree
        }
        const { c8y, ...rest } = before.tree
        expect(plainToml(tree(result.rest))).toEqual(plainToml(rest))
        if (typeof c8y !== "object" || c8y === null || Array.isArray(c8y) || c8y instanceof Date) return
        const { profiles, ...own } = { profiles: undefined, ...c8y }
        if (profiles === undefined || !isDeepStrictEqual(typeof profiles, "object"))
          expect(plainToml(tree(result.parts.get("c8y")))).toEqual(plainToml(own))
      }),
      { numRuns: 500 }
    ))
})
