/** The package with the Node for an old Debian. */
import { find, run } from "../lib/run.mjs"
import { demand } from "./demand.mjs"

/** `files`: all packages. */
export const nodePackageChecks = [
  [
    "tedge-actors-node: lintian has nothing to say but what is written down",
    async ({ files }) => {
      const file = files.find((path) => /\/tedge-actors-node_[^/]*$/.test(path))
      demand(file !== undefined && find("lintian") !== undefined, "no package or no lintian")
      const words = ["--allow-root", "--fail-on", "error,warning", file]
      const { code, stdout, stderr } = await run("lintian", words)
      demand(code === 0 && !/^[EW]:/m.test(stdout), stdout + stderr)
    }
  ]
]
