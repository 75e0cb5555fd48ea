/**
 * How this product is installed: everything ours, or the bridge and the commands beside thin-edge.io's own programs,
 * where `tedge` and `tedge-mapper` are theirs. Decision record 20.
 */

export interface Installation {
  readonly kind: "everything-ours" | "beside-thin-edge"
  /** As typed by a user. */
  readonly command: "tedge" | "tedge-hsm"
  /** The program of the service. */
  readonly bridgeCommand: "tedge-mapper" | "tedge-hsm-bridge"
}

export const everythingOurs: Installation = {
  kind: "everything-ours",
  command: "tedge",
  bridgeCommand: "tedge-mapper"
}

export const besideThinEdge: Installation = {
  kind: "beside-thin-edge",
  command: "tedge-hsm",
  bridgeCommand: "tedge-hsm-bridge"
}

/** By the path a program was started with: `/usr/lib/tedge-actors-bridge/bin/tedge-hsm`. */
export const installationOf = (program: string | undefined): Installation => {
  const name = program?.split("/").at(-1)
  return name === besideThinEdge.command || name === besideThinEdge.bridgeCommand ? besideThinEdge : everythingOurs
}

/** Sentences and examples name our commands `tedge …` and `tedge-mapper …`; this replaces them by their names on this device. */
export const withCommandNames = ({ command, bridgeCommand }: Installation, text: string): string =>
  command === "tedge" ? text : text.replaceAll(ourCommand, command).replaceAll(ourMapper, bridgeCommand)

const words = "config|mapper|cert|hsm|connect|reconnect|disconnect|status|start-services|completions"

/** With a path in front it is another program: `/usr/bin/tedge connect`. */
const ourCommand = new RegExp(`(?<![\\w./-])tedge(?= (?:${words})\\b)`, "g")
const ourMapper = /(?<![\w./-])tedge-mapper(?= (?:c8y|az|aws)\b)/g
