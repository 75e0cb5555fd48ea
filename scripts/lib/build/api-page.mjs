/** A page of the API reference from a model of api-extractor: every exported name with its declaration and its words. */

const kinds = {
  Function: "Functions",
  Variable: "Functions and values",
  Class: "Classes",
  Interface: "Interfaces",
  TypeAlias: "Types"
}

export const apiPage = (model, title) => {
  const [entry] = model.members
  const groups = Object.entries(kinds).map(([kind, heading]) => ({
    heading,
    members: entry.members.filter((one) => one.kind === kind)
  }))
  const text = groups
    .filter(({ members }) => members.length > 0)
    .map(({ heading, members }) => `## ${heading}\n\n${members.map(section).join("\n\n")}`)
  return `# ${title}\n\nMade from the types by \`node scripts/api-docs.mjs\`. [The library](../library.md) tells how to use it.\n\n${text.join("\n\n")}\n`
}

const section = (member) => {
  const members = (member.members ?? []).filter(({ name, kind }) => name !== undefined || kind !== undefined)
  const declaration = member.kind === "TypeAlias" || members.length === 0 ? codeOf(member) : undefined
  const parts = [`### ${member.name}`, wordsOf(member), declaration ?? whole(member, members)]
  return parts.filter((part) => part !== "").join("\n\n")
}

/** The declaration with its members and their words as comments, as it is read in an editor. */
const whole = (member, members) => {
  const lines = members.flatMap((one) => [
    ...wordsOf(one)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `  // ${line}`),
    `  ${textOf(one).replaceAll("\n", "\n  ")}`
  ])
  return fenced(`${textOf(member)} {\n${lines.join("\n")}\n}`)
}

const codeOf = (member) => fenced(textOf(member))
const fenced = (code) => `\`\`\`ts\n${code}\n\`\`\``

const textOf = ({ excerptTokens = [] }) =>
  excerptTokens
    .map(({ text }) => text)
    .join("")
    .replace(/^export (declare )?/, "")
    .trim()

/** The comment without its stars and tags. */
const wordsOf = ({ docComment = "" }) =>
  docComment
    .replace(/^\/\*\*\s?|\s*\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim()
