/** The architectures packages are made for, and the compilers of each. */
import { find } from "../lib/run.mjs"
import { PackageFailed } from "./package-failed.mjs"

const known = {
  amd64: { node: "x64", triplet: "x86_64-linux-gnu", packages: "gcc-x86-64-linux-gnu g++-x86-64-linux-gnu" },
  arm64: { node: "arm64", triplet: "aarch64-linux-gnu", packages: "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu" }
}

export const architectures = Object.keys(known)

/** This machine's, as Debian names it. */
export const hostArchitecture = () =>
  architectures.find((name) => known[name].node === process.arch) ?? unknown(process.arch)

/** `{ name, node, triplet, c, cxx, isHost }`. Throws PackageFailed where a compiler is missing. */
export const toolsFor = (name) => {
  const { node, triplet, packages } = known[name] ?? unknown(name)
  const isHost = node === process.arch
  const [c, cxx] = isHost ? [process.env.CC ?? "cc", process.env.CXX ?? "c++"] : [`${triplet}-gcc`, `${triplet}-g++`]
  const missing = [c, cxx].filter((command) => find(command) === undefined)
  if (missing.length > 0)
    throw new PackageFailed(
      `${missing.join(" and ")}, which compile for ${name}, are not installed\n` +
        `hint: on Debian: apt-get install ${isHost ? "gcc g++ libc6-dev" : packages}`
    )
  return { name, node, triplet, c, cxx, isHost }
}

const unknown = (name) => {
  throw new PackageFailed(`no packages are made for '${name}', only for ${architectures.join(" and ")}`)
}
