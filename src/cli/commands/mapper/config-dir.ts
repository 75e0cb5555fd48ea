import { configPlace } from "../../../actors/config/read-sources.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"

/** Absolute: `--config-dir`, TEDGE_CONFIG_DIR or /etc/tedge. */
export const configDirOf = (input: CommandInput): string =>
  configPlace({ configDir: input.text("config-dir"), workingDir: process.cwd(), environment: process.env }).configDir
