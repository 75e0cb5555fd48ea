/** Debian's changelog of a package, from CHANGELOG.md. */
import { maintainer } from "./products.mjs"

/** The entries of the newest section with a heading of `version`, and of what is not released yet. */
export const debianChangelog = (text, { name, version, epoch }) => {
  const sections = text.split(/^## /m).slice(1)
  const wanted = sections.filter((section) => /^Unreleased\b/.test(section) || section.startsWith(version))
  const entries = wanted.flatMap((section) =>
    section
      .replaceAll(/^### .*$/gm, "")
      .split(/^- /m)
      .slice(1)
      .map((entry) => wrapped(entry.replaceAll(/\s+/g, " ").trim()))
  )
  const lines = entries.length > 0 ? entries : ["  * See CHANGELOG.md of the source."]
  return `${name} (${version}) unstable; urgency=medium\n\n${lines.join("\n")}\n\n -- ${maintainer}  ${rfc2822(epoch)}\n`
}

/** 80 columns, as Debian's tools want them. */
const wrapped = (entry) => {
  const lines = [""]
  for (const word of entry.split(" ")) {
    const line = lines.at(-1)
    if (line !== "" && line.length + 1 + word.length > 74) lines.push(word)
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`
  }
  return lines.map((line, index) => `${index === 0 ? "  * " : "    "}${line}`).join("\n")
}

const rfc2822 = (epoch) => new Date(epoch * 1000).toUTCString().replace("GMT", "+0000")
