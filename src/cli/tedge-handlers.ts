/** What each command of `tedge` does: loaded when it is called. */
import type { CommandHandlers } from "./command-spec.ts"

export const tedgeHandlers: CommandHandlers = {
  completions: async () => (await import("./completions.ts")).completions
}
