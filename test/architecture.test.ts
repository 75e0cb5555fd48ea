/** Who may import whom, and where each library that can surprise us may appear. docs/architecture.md says the same of folders. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { describe, expect, it } from "vitest"

const src = join(import.meta.dirname, "../src")

/** Library -> the one file that may import it; of the library's class, the file that extends it. */
const fences: Record<string, string | ReadonlyArray<string>> = {
  pkcs11js: "actors/cryptoki/pkcs11/pkcs11-module.ts",
  mqtt: "actors/mqtt/client/mqtt-client.ts",
  rxjs: ["runtime/channel.ts", "runtime/internal/guarded-observable.ts"],
  "smol-toml": "platform/toml/toml-file.ts",
  "effect/cli": "cli/command-line/effect-cli.ts",
  "effect/http": "cli/services/telemetry/collector-client.ts",
  "effect/observability": "cli/services/telemetry/exporter.ts",
  "effect/testing": "testing/test-clock.ts",
  asn1js: "platform/tls/x509.ts",
  "node:tls": "platform/tls/node-tls.ts",
  "node:https": ["platform/network/https-client.ts", "tls/https-agent.ts"],
  "tls.node": "platform/tls/tls-addon.ts",
  "unix.node": "platform/native/unix-addon.ts"
}

/** Modules of Effect that are tagged unstable and have no fence: no file may import them. */
const forbidden = [/^effect\/(cluster|rpc|process|socket|unstable)(\/|$)/, /^@effect\//]

/** `cli`, `tls` and `testing` stand above the actors, and none of them knows another. */
const layers = ["cli", "tls", "testing", "actors", "platform", "messages", "runtime"]

const above = ["cli", "tls", "testing"]

/** An actor folder is a layer of its own: actors know each other as refs only. */
const layer = (file: string) =>
  file
    .split("/")
    .slice(0, file.startsWith("actors/") ? 2 : 1)
    .join("/")

const mayImport = (from: string, to: string) => {
  const rank = (file: string) => layers.indexOf(file.split("/")[0] ?? "")
  return (
    layer(from) === layer(to) ||
    (rank(to) > rank(from) &&
      !above.includes(layer(to)) &&
      !(from.startsWith("platform/") && /^runtime.(?!primitives)/.test(to)))
  )
}

interface Import {
  readonly file: string
  readonly target: string
}

const importsOf = (file: string): ReadonlyArray<Import> => {
  const text = readFileSync(join(src, file), "utf8")
  // `} from "x"` at a line's end, a bare `import "x"`, and the calls; a sentence with quotes is none of them.
  const found = text.matchAll(
    /(?:^(?:import|export)\b[^"'`;=]*?\bfrom\s+|^\s*\} from |^import\s+|\bimport\(|\brequire\()"([^"]+)"/gm
  )
  return [...found].map(([, target = ""]) => ({ file, target }))
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
const imports = files.flatMap(importsOf)

/** Imports between files of ours, both as paths below src. */
const ownImports = imports
  .filter(({ target }) => target.startsWith("."))
  .map(({ file, target }) => ({ file, to: relative(src, join(src, dirname(file), target)) }))
  .filter(({ to }) => to.endsWith(".ts"))

/** Folder or file -> what of src it may import besides itself: folders, or files. The longest that matches a file counts. */
const folderRules: Record<string, ReadonlyArray<string>> = {
  "actors/cryptoki/pkcs11": ["messages"],
  // What runs in the child process.
  "actors/cryptoki/host/process": [
    "actors/cryptoki/host/protocol.ts",
    "actors/cryptoki/host/frames.ts",
    "actors/cryptoki/pkcs11"
  ],
  // Its entry, which sets up the process: signals, its user, its end with its parent.
  "actors/cryptoki/host/process/token-host.ts": [
    "actors/cryptoki/host",
    "actors/cryptoki/pkcs11",
    "platform",
    "runtime/primitives"
  ],
  "actors/cryptoki/host/protocol.ts": ["actors/cryptoki/pkcs11/values.ts"],
  "actors/cryptoki/host/frames.ts": ["actors/cryptoki/host/protocol.ts"],
  "actors/mqtt/client": ["messages", "platform", "runtime"],
  "actors/mqtt/dial": ["actors/mqtt/client", "messages", "platform", "runtime"],
  "runtime/primitives": []
}

/** Folders that must not import a folder, whatever else they may. */
const forbiddenFolders: Record<string, ReadonlyArray<string>> = {
  "actors/cryptoki/host": ["actors/cryptoki/token", "actors/cryptoki/discovery", "actors/cryptoki/pin"],
  "actors/cryptoki/pin": ["actors/cryptoki/token", "actors/cryptoki/discovery"],
  "actors/cryptoki/token": ["actors/cryptoki/discovery", "actors/cryptoki/remote"],
  "actors/cryptoki/discovery": ["actors/cryptoki/token", "actors/cryptoki/remote"],
  "cli/command-line": ["cli/bin", "cli/compose", "cli/services"],
  "cli/commands": ["cli/bin", "cli/services"],
  "cli/services": ["cli/bin"]
}

/** The groups of files that import each other in a circle (Tarjan). */
const circles = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const path: Array<string> = []
  const found: Array<ReadonlyArray<string>> = []
  const visit = (file: string): number => {
    const number = order.size
    order.set(file, number)
    lowest.set(file, number)
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      const reached = order.has(next) ? (path.includes(next) ? (order.get(next) ?? 0) : number) : visit(next)
      lowest.set(file, Math.min(lowest.get(file) ?? number, reached))
    }
    const low = lowest.get(file) ?? number
    if (low === number) {
      const group = path.splice(path.indexOf(file))
      if (group.length > 1) found.push(group.toSorted())
    }
    return low
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return found
}

/** What reads or makes dates, and why. A duration is never measured with one: `runtime/primitives/monotonic-time.ts` is for that. */
const mayUseDates: Record<string, string> = {
  "cli/commands/status/plain-lines.ts": "the date of a line",
  "runtime/primitives/wall-time.ts": "the one that reads the wall clock",
  "testing/seeded-scheduler.ts": "a clock for tests",
  "testing/test-clock.ts": "a clock for tests",
  "runtime/primitives/runtime-clock.ts": "begins at the wall time of the start",
  "cli/terminal/logging.ts": "log stamps",
  "cli/terminal/command-log.ts": "log stamps",
  "actors/health/payloads.ts": "the date in a health message",
  "actors/connect/certificate-dates.ts": "validity of certificates",
  "cli/commands/cert/certificate-text.ts": "validity of certificates",
  "cli/commands/hsm/doctor/certificate-checks.ts": "validity of certificates",
  "platform/tls/tls-probe.ts": "validity of certificates",
  "platform/tls/x509.ts": "validity of certificates"
}
const readsWallTime = /\bDate\.now\b|\bcurrentTime(Millis|Nanos)(Unsafe)?\b|\bnew Date\b|(?<!new )\bDate\(|\bDateTime\b/

/** The sources of monotonic time: one module, the clock beneath it, and a time that systemd asks for. */
const mayReadMonotonic = [
  "runtime/primitives/process-time.ts",
  "runtime/primitives/monotonic-time.ts",
  "runtime/primitives/runtime-clock.ts",
  "actors/p11-server/manager-notifications.ts",
  "testing/seeded-scheduler.ts"
]
const readsMonotonic = /\bperformance\.(now|timeOrigin)\b|\bhrtime\b|\bmonotonicTimeNanos(Unsafe)?\b|\buptime\(/

const comments = /\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm

/** Without comments: they may name what the code must not. */
const codeOf = (path: string) => readFileSync(path, "utf8").replaceAll(comments, "")

/** Names of TypeScript files and scripts. `mqtt.js` is a library; a path of ours to JavaScript is in `bin` or `scripts`. */
const namedFiles = (prose: string): ReadonlyArray<string> =>
  [
    ...prose.matchAll(
      /(?<![\w*>.-])(?:[\w./-]*[\w-]\.m?ts|[\w./-]*[\w-]\.mjs|(?:bin|scripts)\/[\w./-]+\.js)\b(?!\.\w)/g
    )
  ].map(([name]) => name)

const within = (library: string, target: string) => target === library || target.startsWith(`${library}/`)

describe("the structure of src", () => {
  it("has files to look at", () => {
    expect(files.length).toBeGreaterThan(20)
    for (const name of layers) expect(existsSync(join(src, name))).toBe(true)
  })

  it("imports go down: cli, tls -> actors -> platform, messages -> runtime, never between actors", () => {
    expect(ownImports.filter(({ file, to }) => !mayImport(file, to))).toEqual([])
  })

  it("inside a folder the imports go down as well", () => {
    const below = (folder: string, file: string) => file === folder || file.startsWith(`${folder}/`)
    for (const folder of [...Object.keys(folderRules), ...Object.keys(forbiddenFolders)])
      expect(existsSync(join(src, folder)), folder).toBe(true)
    const rules = Object.entries(folderRules).toSorted(([one], [other]) => other.length - one.length)
    const wrong = ownImports.filter(
      ({ file, to }) =>
        rules
          .filter(([folder]) => below(folder, file))
          .slice(0, 1)
          .some(([folder, allowed]) => ![folder, ...allowed].some((one) => below(one, to))) ||
        Object.entries(forbiddenFolders).some(
          ([folder, unwanted]) => below(folder, file) && unwanted.some((one) => below(one, to))
        )
    )
    expect(wrong).toEqual([])
  })

  it("runtime/internal is private to the runtime", () => {
    const wrong = ownImports.filter(
      ({ file, to }) => to.startsWith("runtime/internal/") && !file.startsWith("runtime/")
    )
    expect(wrong).toEqual([])
  })

  it("no files import each other in a circle", () => {
    const graph = new Map(
      files.map((file) => [file, ownImports.filter((one) => one.file === file).map(({ to }) => to)])
    )
    expect(circles(graph)).toEqual([])
  })

  it("a folder has at most 24 files, and from eleven on a README that says what is inside", () => {
    const folders = [...new Set(files.map((file) => dirname(file)))]
    const size = (folder: string) => files.filter((file) => dirname(file) === folder).length
    expect(folders.filter((folder) => size(folder) > 24)).toEqual([])
    const unexplained = folders.filter((folder) => size(folder) > 10 && !existsSync(join(src, folder, "README.md")))
    expect(unexplained).toEqual([])
  })

  it("the README of a folder names every file in it", () => {
    const named = (folder: string) => {
      const path = join(src, folder, "README.md")
      return existsSync(path) ? readFileSync(path, "utf8") : undefined
    }
    const forgotten = files.filter((file) => named(dirname(file))?.includes(`\`${basename(file)}\``) === false)
    expect(forgotten).toEqual([])
  })

  it("what tests and scripts share has at most 24 files a folder, and a README that names each", () => {
    for (const root of [join(src, "../test/support"), join(src, "../scripts/lib")]) {
      const shared = readdirSync(root, { recursive: true, encoding: "utf8" })
        .filter((file) => /\.(ts|mjs|cjs)$/.test(file) && !file.endsWith(".test.ts"))
        .toSorted()
      const folders = [...new Set(shared.map((file) => dirname(file)))]
      expect(folders.filter((folder) => shared.filter((file) => dirname(file) === folder).length > 24)).toEqual([])
      const text = readFileSync(join(root, "README.md"), "utf8")
      const sections = text.split(/^- /m)
      const named = (file: string) =>
        sections.some((section) =>
          dirname(file) === "."
            ? section.includes(`\`${file}\``)
            : section.startsWith(`\`${dirname(file)}/\``) && section.includes(`\`${basename(file)}\``)
        )
      expect(shared.filter((file) => !named(file))).toEqual([])
    }
  })

  it("a README or a comment names no file that does not exist", () => {
    const root = join(src, "..")
    const ours = ["src", "test", "scripts", "bin", "bench", "soak", "web", "native", "packaging", "examples"].flatMap(
      (folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join("/", folder, name))
    )
    const commented = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => /\.(ts|md)$/.test(name))
    const wrong = commented.flatMap((file) => {
      const text = readFileSync(join(src, file), "utf8")
      const prose = file.endsWith(".md") ? text : [...text.matchAll(comments)].map(([comment]) => comment).join("\n")
      return namedFiles(prose)
        .filter((name) => !ours.some((path) => path.endsWith(name.replace(/^(\.{0,2}\/)*/, "/"))))
        .map((name) => `${file}: ${name}`)
    })
    expect(wrong).toEqual([])
    expect(namedFiles("as `../no-such.ts` and bin/no-such.js of mqtt.js do")).toEqual([
      "../no-such.ts",
      "bin/no-such.js"
    ])
  })

  it("a fenced library is imported by its one file only", () => {
    const wrong = imports.filter(({ file, target }) =>
      Object.entries(fences).some(
        ([library, owner]) =>
          (within(library, target) || target.endsWith(`/${library}`)) && ![owner].flat().includes(file)
      )
    )
    expect(wrong).toEqual([])
  })

  it("the fences stand: each library is found in the file that owns it", () => {
    const libraries = Object.entries(fences).filter(([library]) => !library.endsWith(".node"))
    for (const [library, owner] of libraries)
      for (const file of [owner].flat())
        expect(imports.filter((one) => one.file === file && within(library, one.target))).not.toEqual([])
  })

  it("Effect shows in one file of the library for programs, and in none of its types", () => {
    const users = imports.filter(({ file, target }) => file.startsWith("tls/") && within("effect", target))
    expect(users.map(({ file }) => file)).toEqual(["tls/token-port.ts"])
  })

  it("no file imports a module of Effect that is tagged unstable and not fenced", () => {
    const wrong = imports.filter(({ target }) => forbidden.some((pattern) => pattern.test(target)))
    expect(wrong).toEqual([])
  })

  it("messages are pure: they import only effect and each other", () => {
    const wrong = imports.filter(
      ({ file, target }) => file.startsWith("messages/") && !target.startsWith(".") && !within("effect", target)
    )
    expect(wrong).toEqual([])
  })

  it("files that another user may have replaced by a pipe are read by platform/files/read-file.ts, or were opened before", () => {
    const opened = [
      "actors/connect/services/built-in-services.ts",
      "actors/cryptoki/host/child-process.ts", // /proc
      "cli/commands/cert/certificate-files.ts",
      "cli/commands/hsm/doctor/connection-checks.ts",
      "cli/compose/installation.ts" // of the installation itself
    ]
    const wrong = files
      .filter((file) => !file.startsWith("platform/") && !opened.includes(file))
      .filter((file) => /\breadFile(Sync)?\(|\bopen(Sync)?\([^)]*"r"/.test(readFileSync(join(src, file), "utf8")))
    expect(wrong).toEqual([])
  })

  it("owner, mode and content of files are changed by the modules that do it by descriptor, and nowhere by path", () => {
    const modules = ["atomic-file", "file-calls", "file-in-place", "given-files"].map(
      (name) => `platform/files/${name}.ts`
    )
    const byPath =
      /\b(l?chown|l?chmod|writeFile|appendFile|copyFile|truncate|createWriteStream|symlink|link|lutimes|utimes|cp)(Sync)?\(/
    const forWriting = /\bopen(Sync)?\([^)]*("[rwa]x?s?\+?"|O_(WRONLY|RDWR|CREAT|TRUNC|APPEND))/
    const isReading = /\bopen(Sync)?\([^)]*"r"/
    const wrong = files
      .filter((file) => !modules.includes(file))
      .flatMap((file) =>
        readFileSync(join(src, file), "utf8")
          .split("\n")
          .map((line) => ({ file, line: line.trim() }))
      )
      .filter(({ line }) => !/^(\*|\/\/|\/\*)/.test(line))
      .filter(({ line }) => byPath.test(line) || (forWriting.test(line) && !isReading.test(line)))
    expect(wrong).toEqual([])
  })

  it("what reaches a terminal or a log goes through the one function that takes out what steers a terminal", () => {
    const writes = (file: string) => /\bstd(out|err)\.write\(/.test(readFileSync(join(src, file), "utf8"))
    const shows = (file: string) => /\bshown(Text|Lines)\(/.test(readFileSync(join(src, file), "utf8"))
    // The log of the service goes through cli/terminal/logging.ts.
    const writers = [
      "cli/bin/run-program.ts",
      "cli/bin/service-runner.ts",
      "cli/terminal/terminal.ts",
      "cli/services/p11-server/run-server.ts"
    ]
    expect(files.filter(writes).toSorted()).toEqual(writers.toSorted())
    expect(
      [...writers.slice(0, 3), "cli/terminal/logging.ts", "messages/explain/explanation.ts"].filter(
        (file) => !shows(file)
      )
    ).toEqual([])
  })

  it("which characters steer a terminal is known in one file", () => {
    const wrong = files
      .filter((file) => file !== "messages/shown-text.ts")
      .filter((file) => /\\u202|\\u206|\\x1b\[|\\u009f|Bidi_Control/i.test(readFileSync(join(src, file), "utf8")))
    expect(wrong).toEqual([])
  })

  it("no file writes to the console", () => {
    const wrong = files.filter((file) => /\bconsole\.\w+\(/.test(readFileSync(join(src, file), "utf8")))
    expect(wrong).toEqual([])
  })

  it("durations are monotonic: wall time is read for dates only, in files that are named", () => {
    const users = files.filter((file) => readsWallTime.test(codeOf(join(src, file))))
    expect(users.filter((file) => mayUseDates[file] === undefined)).toEqual([])
    expect(Object.keys(mayUseDates).filter((file) => !users.includes(file))).toEqual([])
  })

  it("monotonic time comes from one module", () => {
    const users = files.filter((file) => readsMonotonic.test(codeOf(join(src, file))))
    expect(users.filter((file) => !mayReadMonotonic.includes(file))).toEqual([])
  })

  it("scripts, benches and helpers of tests measure durations with monotonic time too", () => {
    const root = join(src, "..")
    const wrong = ["scripts", "bench", "soak", "bin", "test/support"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => /\.(ts|m?js)$/.test(file))
        .map((file) => join(folder, file))
        .filter((file) => /\bDate\.now\b/.test(codeOf(join(root, file))))
    )
    expect(wrong).toEqual([])
  })
})
