/** Reading TOML files, and edits that leave everything else as it is. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "esbuild"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { editToml, type TomlEdit } from "../../../src/platform/toml/toml-edit.ts"
import { parseToml, parseTomlValue, readTomlFile } from "../../../src/platform/toml/toml-file.ts"
import { tomlComments } from "../../../src/platform/toml/toml-statements.ts"
import { linesOfLongestValue, tomlDocument } from "./toml-arbitrary.ts"

const dir = mkdtempSync(join(tmpdir(), "toml-file-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const fileWith = (content: string | Uint8Array): string => {
  const path = join(dir, "some.toml")
  writeFileSync(path, content, { mode: 0o640 })
  return path
}

const edited = (text: string, ...edits: ReadonlyArray<TomlEdit>): string => {
  const result = editToml(text, edits)
  return result.kind === "edited" ? result.text : `refused: ${result.detail}`
}

const sample = `# my device
[config]
version = "2"

[device] # identity
key_path = "/keys/a # no comment"   # why
type = 'x'
unknown = [1, 2, # two
  3]

# the token
[device.cryptoki]
mode = "off"

[c8y]
url = "t.example"
device = { key_pin = "1234" }

[other]
when = 1979-05-27T07:32:00Z
big = 9007199254740993
text = """
[device]
key_path = "not me"
"""
`

describe("reading a TOML file", () => {
  it("answers the tree, the text and the mode", () => {
    expect(readTomlFile(fileWith('a = "b"\n'))).toMatchObject({
      kind: "read",
      tree: { a: "b" },
      text: 'a = "b"\n',
      mode: 0o640
    })
  })

  it("distinguishes an absent file from an unreadable one", () => {
    expect(readTomlFile(join(dir, "absent.toml"))).toEqual({ kind: "absent" })
    mkdirSync(join(dir, "directory.toml"))
    expect(readTomlFile(join(dir, "directory.toml"))).toEqual({ kind: "unreadable", code: "EISDIR" })
    expect(readTomlFile(join(fileWith(""), "below.toml"))).toEqual({ kind: "unreadable", code: "ENOTDIR" })
  })

  it("takes a pipe for no file", () => {
    execFileSync("mkfifo", [join(dir, "pipe.toml")])
    expect(readTomlFile(join(dir, "pipe.toml"))).toEqual({ kind: "unreadable", code: "ESPIPE" })
  })

  it("distinguishes a forbidden file from an absent one", async () => {
    const path = fileWith("a = 1\n")
    chmodSync(path, 0)
    chmodSync(dir, 0o711)
    // In a process of its own: root may read everything, and some Nodes refuse to change the user of their own process.
    const contents = `import { readTomlFile } from "./toml-file.ts"
      console.log(JSON.stringify([process.argv[2], process.argv[3]].map(readTomlFile)))`
    const stdin = {
      contents,
      resolveDir: join(import.meta.dirname, "../../../src/platform/toml"),
      loader: "ts"
    } as const
    const { outputFiles } = await build({ stdin, bundle: true, platform: "node", write: false })
    const ordinary = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const read = execFileSync(process.execPath, ["-", path, join(dir, "absent.toml")], {
      input: outputFiles[0]?.text,
      encoding: "utf8",
      cwd: "/",
      ...ordinary
    })
    rmSync(path)
    expect(JSON.parse(read)).toEqual([{ kind: "unreadable", code: "EACCES" }, { kind: "absent" }])
  })

  it("reports line and column of the error, without quoting the line", () => {
    const read = readTomlFile(fileWith('[device]\npin = "secret\n'))
    expect(read).toMatchObject({ kind: "malformed", line: 2 })
    expect(JSON.stringify(read)).not.toContain("secret")
  })

  it("refuses what is not UTF-8 and what is larger than a mebibyte", () => {
    expect(readTomlFile(fileWith(new Uint8Array([0x61, 0xff, 0x0a])))).toMatchObject({ kind: "malformed", line: 0 })
    expect(readTomlFile(fileWith(`#${"x".repeat(1024 * 1024)}`))).toMatchObject({ kind: "malformed", line: 0 })
    expect(readTomlFile(fileWith(`#${"x".repeat(1024 * 1024 - 1)}`))).toMatchObject({ kind: "read" })
  })

  it("answers every truncation of a file with a tree or a place, never by throwing", () => {
    for (let length = 0; length <= sample.length; length++)
      expect(["tree", "malformed"]).toContain(parseToml(sample.slice(0, length)).kind)
  })

  it("answers any text, too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(["tree", "malformed"]).toContain(parseToml(text).kind)
      })
    )
  })

  it("reads single values", () => {
    expect(parseTomlValue('["a", "b"]')).toEqual(["a", "b"])
    expect(parseTomlValue('"a')).toBeUndefined()
    expect(parseTomlValue('"a"\n[table]')).toBeUndefined()
  })
})

describe("an edit", () => {
  const place = fc.constantFrom(
    ["device", "key_path"],
    ["device", "cryptoki", "mode"],
    ["c8y", "url"],
    ["c8y", "profiles", "prod", "url"],
    ["mqtt", "bind", "port"],
    ["device", "a"],
    ["device", "q", "r"]
  )
  const newValue = fc.constantFrom<TomlEdit["value"]>('v"q', 1884, true, ["a", "b"], undefined)

  it("replaces a value and nothing around it", () => {
    expect(edited(sample, { at: ["device", "key_path"], value: "/b" })).toBe(
      sample.replace('"/keys/a # no comment"', '"/b"')
    )
  })

  it("adds a key behind the last of its table, before the comment of the next", () => {
    expect(edited(sample, { at: ["device", "key_uri"], value: "pkcs11:token=a" })).toBe(
      sample.replace("  3]\n", '  3]\nkey_uri = "pkcs11:token=a"\n')
    )
  })

  it("removes a line", () => {
    expect(edited(sample, { at: ["device", "unknown"], value: undefined })).toBe(
      sample.replace("unknown = [1, 2, # two\n  3]\n", "")
    )
  })

  it("adds a table at the end", () => {
    expect(edited(sample, { at: ["mqtt", "bind", "port"], value: 1884 })).toBe(`${sample}\n[mqtt.bind]\nport = 1884\n`)
    expect(edited("", { at: ["mqtt", "bind", "port"], value: 1884 })).toBe("[mqtt.bind]\nport = 1884\n")
    expect(edited("a = 1", { at: ["b", "c"], value: true })).toBe("a = 1\n\n[b]\nc = true\n")
  })

  it("writes beside dotted keys as they are written", () => {
    expect(edited("[mqtt]\nbind.port = 1\n", { at: ["mqtt", "bind", "address"], value: "::1" })).toBe(
      '[mqtt]\nbind.port = 1\nbind.address = "::1"\n'
    )
  })

  it("reaches into inline tables", () => {
    const text = edited(
      sample,
      { at: ["c8y", "device", "key_pin"], value: undefined },
      { at: ["c8y", "device", "id"], value: "x" }
    )
    expect(parseToml(text)).toMatchObject({ tree: { c8y: { device: { id: "x" } } } })
    expect(text).toBe(sample.replace('{ key_pin = "1234" }', '{ id = "x" }'))
    expect(edited("a = { b = 1, c.d = 2 , e = { f = '}' } } # x\n", { at: ["a", "c", "g"], value: 3 })).toBe(
      "a = { b = 1, c.d = 2 , e = { f = '}' }, c.g = 3 } # x\n"
    )
    expect(edited("a = { b = 1, c.d = 2, e = { f = '}' } }\n", { at: ["a", "e", "f"], value: 3 })).toBe(
      "a = { b = 1, c.d = 2, e = { f = 3 } }\n"
    )
    expect(edited("a = { b = 1, c.d = 2, e = 3 }\n", { at: ["a", "c"], value: undefined })).toBe(
      "a = { b = 1, e = 3 }\n"
    )
    expect(edited("a = { b = 1, c = 2 }\n", { at: ["a", "c"], value: undefined })).toBe("a = { b = 1 }\n")
  })

  it("removes a table with everything in it, however it is written", () => {
    const at = ["c8y", "device"]
    for (const text of [
      "[c8y]\nurl = 'a'\ndevice.id = 'x'\ndevice.type = 'y'\n",
      "[c8y]\nurl = 'a'\n[c8y.device]\nid = 'x'\n[c8y.device.cryptoki]\nmode = 'off'\n",
      "[c8y]\nurl = 'a'\ndevice = { id = 'x' }\n"
    ])
      expect(edited(text, { at, value: undefined })).toBe("[c8y]\nurl = 'a'\n")
  })

  it("in any document with inline tables changes that key and keeps the comments", () =>
    fc.assert(
      fc.property(
        tomlDocument,
        tomlDocument,
        fc.constantFrom("url", "p", "new"),
        newValue,
        (above, below, key, value) => {
          const text = `${above}\n[inline]\nc8y = { url = "x", p = 1 } # kept\n${below}`
          fc.pre(parseToml(text).kind === "tree")
          const result = editToml(text, [{ at: ["inline", "c8y", key], value }])
          if (result.kind === "refused") return
          expect(get(parseToml(result.text), ["inline", "c8y", key])).toEqual(value)
          expect(tomlComments(result.text)).toEqual(tomlComments(text))
        }
      ),
      { numRuns: 200 }
    ))

  it("is refused where a value stands in the place of a table", () => {
    expect(edited("c8y = 5\n", { at: ["c8y", "url"], value: "x" })).toMatch(/^refused/)
    expect(edited("[[c8y]]\nurl = 'a'\n", { at: ["c8y", "url"], value: "x" })).toMatch(/^refused/)
  })

  it("keeps the ends of lines", () => {
    expect(edited("[a]\r\nb = 1\r\n", { at: ["a", "c"], value: 2 })).toBe("[a]\r\nb = 1\r\nc = 2\r\n")
    expect(edited("[a]\r\nb = 1\n", { at: ["a", "b"], value: 2 })).toBe("[a]\r\nb = 2\n")
  })

  it("writes any text so that it is read back", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const result = parseToml(edited(sample, { at: ["device", "type"], value: text }))
        expect(result).toMatchObject({ kind: "tree", tree: { device: { type: text } } })
      })
    ))

  it("changes one key of any document, in one place, and nothing in front of it or behind it", () =>
    fc.assert(
      fc.property(tomlDocument, place, newValue, (text, at, value) => {
        const before = parseToml(text)
        fc.pre(before.kind === "tree")
        const result = editToml(text, [{ at, value }])
        if (result.kind === "refused") return
        expect(get(parseToml(result.text), at)).toEqual(value)
        const replaced = replacedPart(text, result.text)
        if (get(before, at) === undefined) expect(replaced).toBe("")
        expect(replaced.split("\n").length).toBeLessThanOrEqual(linesOfLongestValue + 1)
      }),
      { numRuns: 600 }
    ))
})

/** What of `before` is not in `after`: both are the same in front of it and behind it. */
const replacedPart = (before: string, after: string): string => {
  let start = 0
  while (start < before.length && before[start] === after[start]) start++
  let end = before.length
  while (
    end > start &&
    end - before.length + after.length > start &&
    before[end - 1] === after[end - 1 - before.length + after.length]
  )
    end--
  return before.slice(start, end)
}

const get = (read: ReturnType<typeof parseToml>, at: ReadonlyArray<string>): unknown =>
  at.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? Object.entries(value).find(([name]) => name === key)?.[1]
        : undefined,
    read.kind === "tree" ? read.tree : undefined
  )
