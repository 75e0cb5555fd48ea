/** Where the headers are that native add-ons are compiled with. N-API keeps them good for every Node, whichever they came with. */
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"

/** The folder whose `include/node` holds them, or undefined. */
export const nodeHeaders = () =>
  [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), "/usr", "/usr/local"]
    .filter((folder) => folder)
    .find((folder) => existsSync(join(folder, "include", "node", "node_api.h")))
