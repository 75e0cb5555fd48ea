/**
 * The actors of a mapper as text: the supervision tree, and one line per running actor.
 *
 * Lines contain actors, message names and numbers, never the content of messages.
 */
import { Duration, Effect, type Scope } from "effect"
import type { ChildSpec } from "../../../runtime/actor.ts"
import { reasonOf } from "../../../runtime/reason.ts"
import { cellOf } from "../../../runtime/ref.ts"
import type { GraphNode, SupervisorHandle, SupervisorSpec } from "../../../runtime/supervision.ts"

/** Supervisors with their strategy, actors with their mailboxes, `->` for the actors they send to. */
export const treeText = (spec: SupervisorSpec): string => `${[supervisorLine(spec), ...branches(spec)].join("\n")}\n`

const branches = ({ children }: SupervisorSpec): ReadonlyArray<string> =>
  children.flatMap((child, index) => {
    const isLast = index === children.length - 1
    const below = "kind" in child ? [] : branches(child)
    return [
      `${isLast ? "'-" : "|-"} ${"kind" in child ? actorLine(child) : supervisorLine(child)}`,
      ...below.map((text) => `${isLast ? "  " : "| "} ${text}`)
    ]
  })

const supervisorLine = ({ name, strategy, intensity, onExhausted }: SupervisorSpec): string => {
  const often = `${intensity.max} restarts in ${Duration.format(Duration.fromInputUnsafe(intensity.within))}`
  return `${name}: ${strategy}, at most ${often}, then ${onExhausted}`
}

// biome-ignore lint/suspicious/noExplicitAny: see AnyChild
const actorLine = ({ name, restart, address, peers = [] }: ChildSpec<any, any>): string => {
  const { capacity, overflow } = address.cell
  const names = peers.map((peer) => cellOf(peer)?.name ?? peer.name)
  const edges = names.length === 0 ? "" : ` -> ${names.join(", ")}`
  return `${name}: ${restart}, mailbox ${capacity} ${overflow.policy}${edges}`
}

/** As `mapper/bridge: ready depth=3/100 oldest=12ms handled=120 …`; counters that are 0 are omitted. */
export const nodeText = (node: GraphNode): string => {
  const { name, state, depth, capacity, oldestMs, handled } = node
  const parts = [
    `${name}: ${state}`,
    `depth=${depth}/${capacity}`,
    depth === 0 ? "" : `oldest=${Math.round(oldestMs)}ms`,
    `handled=${handled}`,
    handled === 0 ? "" : `wait=${mean(node.waitMs, handled)}ms handling=${mean(node.handlingMs, handled)}ms`,
    ...node.handling.map(({ message, forMs }) => `busy=${message}(${Math.round(forMs)}ms)`),
    ...(["held", "restarts", "dropped", "coalesced", "refused", "deadLetters", "lateAnswers"] as const).map(
      (counter) => (node[counter] === 0 ? "" : `${counter}=${node[counter]}`)
    ),
    node.retryInMs === undefined ? "" : `retry=${Math.round(node.retryInMs / 1000)}s`,
    node.parkedFor === undefined ? "" : `reason="${reasonOf(node.parkedFor)}"`
  ]
  return parts.filter((part) => part !== "").join(" ")
}

const mean = (sum: number, count: number): string => (sum / count).toFixed(1)

/** Until the scope closes. */
export const logGraphWhenAsked = ({ graph }: SupervisorHandle): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context())
    const logGraph = Effect.flatMap(graph, (nodes) =>
      Effect.forEach(nodes, (node) => Effect.logInfo(nodeText(node)), { discard: true })
    )
    const answer = () => void fork(logGraph)
    process.on("SIGUSR1", answer)
    yield* Effect.addFinalizer(() => Effect.sync(() => void process.off("SIGUSR1", answer)))
  })
