/** The page of `tedge status --web`: script and style with the libraries they use, as text in one CommonJS module. */
import { readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"

/** Answers the metafile of what is in `path`. */
export const buildStatusPage = async (root, bundle, path) => {
  const { outputFiles, metafile } = await bundle({
    absWorkingDir: root,
    entryPoints: { page: "web/main.ts", style: "web/style.css" },
    outdir: "page",
    write: false,
    metafile: true,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: ["es2022"],
    legalComments: "none",
    tsconfig: join(root, "web/tsconfig.json"),
    logLevel: "warning"
  })
  const textOf = (name) => outputFiles.find((file) => file.path.endsWith(name)).text
  const files = {
    html: readFileSync(join(root, "web/index.html"), "utf8"),
    script: textOf("page.js"),
    style: textOf("style.css")
  }
  writeFileSync(path, `"use strict"\nexports.files = ${JSON.stringify(files)}\n`)
  const inputs = Object.assign({}, ...Object.values(metafile.outputs).map((output) => output.inputs))
  // dagre's own file has it inside.
  inputs["node_modules/@dagrejs/graphlib/package.json"] = { bytesInOutput: 1 }
  return { metafile: { outputs: { [relative(root, path)]: { inputs } } } }
}
