/** The files of the page. Placeholder: scripts/build.mjs replaces this module by a bundle made from web/. */
import type { PageFiles } from "./page-server.ts"

export const files: PageFiles = { html: "", script: "", style: "" }
