/** The package with the Node for an old Debian. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { find, run } from "../lib/run.mjs"
import { demand } from "./demand.mjs"

/** `folder`: of the packages. */
export const nodePackageChecks = [
  [
    "tedge-actors-node: lintian has nothing to say but what is written down",
    async ({ folder }) => {
      const file = readdirSync(folder).find((name) => /^tedge-actors-node_.*\.deb$/.test(name))
      demand(file !== undefined && find("lintian") !== undefined, "no package or no lintian")
      const words = ["--allow-root", "--fail-on", "error,warning", join(folder, file)]
      const { code, stdout, stderr } = await run("lintian", words)
      demand(code === 0 && !/^[EW]:/m.test(stdout), stdout + stderr)
    }
  ]
]
