/** `node scripts/lint-package.mjs TARBALL`: what publint and arethetypeswrong say of the packed package. Exit code 1: something. */
import { readFileSync } from "node:fs"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"

const bytes = new Uint8Array(readFileSync(process.argv[2]))
const { messages } = await publint({ pack: { tarball: bytes.buffer } })
const analysis = await checkPackage(createPackageFromTarballData(bytes))
// TypeScript's resolution of before Node 12 knows no exports.
const problems = (analysis.problems ?? [{ kind: "NoTypes" }]).filter(
  ({ resolutionKind }) => resolutionKind !== "node10"
)
for (const found of [...messages, ...problems]) console.log(JSON.stringify(found))
if (messages.length + problems.length > 0) process.exitCode = 1
