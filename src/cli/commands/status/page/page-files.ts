/** The files of the page: scripts/build.mjs makes them from web/, and puts its bundle in the place of this module. */
import type { PageFiles } from "./page-server.ts"

export const files: PageFiles = { html: "", script: "", style: "" }
