/**
 * All running supervisors of a process, and their current actors: `SupervisorHandle.graph` reports those of one tree.
 *
 * Trees that start where `RunningTrees` is provided are in it, also those that an actor starts for itself.
 */
import { Context } from "effect"
import type { GraphNode, SupervisorSpec } from "./supervision.ts"

/** A supervisor with its specification. */
export interface SupervisorNode extends Pick<SupervisorSpec, "name" | "strategy" | "intensity" | "onExhausted"> {
  /** The one above; undefined: it is a root. */
  readonly supervisor: string | undefined
}

export interface Inspection {
  readonly supervisors: ReadonlyArray<SupervisorNode>
  readonly actors: ReadonlyArray<GraphNode>
}

/** A running root. */
export interface RunningTree {
  readonly supervisors: ReadonlyArray<SupervisorNode>
  readonly nodes: () => ReadonlyArray<GraphNode>
}

export class Trees {
  private readonly running = new Set<RunningTree>()

  /** Returns how to remove it. */
  add(tree: RunningTree): () => void {
    this.running.add(tree)
    return () => void this.running.delete(tree)
  }

  inspect(): Inspection {
    const trees = [...this.running]
    return {
      supervisors: trees.flatMap(({ supervisors }) => supervisors),
      actors: trees.flatMap(({ nodes }) => nodes())
    }
  }
}

/** Read by supervisors when they start. */
export const RunningTrees = Context.Reference<Trees | undefined>("tedge-actors/RunningTrees", {
  defaultValue: () => undefined
})

export const supervisorsOf = (
  spec: SupervisorSpec,
  supervisor: string | undefined = undefined
): ReadonlyArray<SupervisorNode> => {
  const { name, strategy, intensity, onExhausted } = spec
  const below = spec.children.flatMap((child) => ("kind" in child ? [] : supervisorsOf(child, name)))
  return [{ name, supervisor, strategy, intensity, onExhausted }, ...below]
}
