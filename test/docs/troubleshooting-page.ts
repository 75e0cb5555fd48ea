/** The text of docs/troubleshooting.md: each failure with what it means, its messages, and what to do about each. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { explain, type Failure } from "../../src/messages/explain.ts"
import { samples } from "../messages/explain-samples.ts"
import { root } from "./commands.ts"

/** Heading -> the file that declares its failures; in this order on the page. */
const areas = {
  "Tokens, keys and PINs": "src/messages/token-refusals.ts",
  "PKCS#11 URIs": "src/messages/pkcs11-uri.ts",
  "Connections to brokers": "src/messages/mqtt.ts",
  "tedge connect, reconnect and disconnect": "src/messages/connect.ts",
  "tedge status": "src/messages/status/refusals.ts",
  Settings: "src/messages/config.ts",
  "tedge hsm": "src/messages/hsm.ts",
  "tedge cert": "src/messages/certificate.ts",
  "The system": "src/messages/platform.ts",
  "Inside a service": "src/runtime/errors.ts"
} as const

export const troubleshootingPage = (): string =>
  [introduction, ...Object.entries(areas).map(([heading, file]) => area(heading, meaningsIn(file)))].join("\n")

/** What each failure of a file means, by its tag: the first paragraph of the comment at its declaration. */
const meaningsIn = (file: string): ReadonlyMap<string, string> =>
  new Map(
    [
      ...readFileSync(join(root, file), "utf8").matchAll(
        /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport class \w+ extends Data\.TaggedError\("(\w+)"\)/g
      )
    ].map(([, comment = "", tag = ""]) => [tag, plain(comment)])
  )

const plain = (comment: string): string =>
  comment
    .replaceAll(/^\s*\* ?/gm, "")
    .trim()
    .split("\n\n")[0]
    ?.replaceAll(/\s+/g, " ")
    .replaceAll(/\{@link (\w+)\}/g, "$1") ?? ""

const area = (heading: string, meanings: ReadonlyMap<string, string>): string =>
  [
    `## ${heading}\n`,
    ...[...meanings].flatMap(([tag, meaning]) => {
      const failures: ReadonlyArray<Failure> | undefined =
        tag in samples ? samples[tag as keyof typeof samples] : undefined
      return failures === undefined ? [] : [section(tag, meaning, failures)]
    })
  ].join("\n")

const section = (tag: string, meaning: string, failures: ReadonlyArray<Failure>): string => {
  const told = failures
    .map(explain)
    .map(({ error, hint }) => `- \`${error}\`${hint === undefined ? "" : `\\\n  ${escaped(hint)}`}`)
  return `### ${inWords(tag)}\n\n${escaped(meaning)}\n\n${[...new Set(told)].join("\n")}\n`
}

/** `KeyNotFound`: "Key not found". */
const inWords = (tag: string): string =>
  tag
    .replaceAll(/(?<=[a-z0-9])[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`)
    .replaceAll(/\b(pin|pins|uri|tls|http|pkcs11)\b/gi, (name) =>
      name.toUpperCase().replace("PINS", "PINs").replace("PKCS11", "PKCS#11")
    )

/** Text that markdown would take for markup. */
const escaped = (text: string): string => text.replaceAll(/[<[*|]/g, "\\$&").replaceAll("\n", "\\\n  ")

const introduction = `# Troubleshooting

Every error message of tedge, tedge-mapper and tedge-p11-server: what it means, and below each message what to do. \`my-token\`,
\`cloud.example\` and the like stand for your own. \`tedge hsm doctor\` checks everything from the settings to the cloud and prints
the first message that applies. What the lines of the log mean: [the log](observing.md#the-log).

This page is made from the tables of failures by \`test/docs/troubleshooting.test.ts\`; change the tables, not the page.
`
