/** The actors of a process in a snapshot. */

import { Duration } from "effect"
import type { ActorNode, SupervisorNode } from "../../messages/status/snapshot.ts"
import type { SupervisorNode as RuntimeSupervisor } from "../../runtime/inspect.ts"
import { reasonOf } from "../../runtime/reason.ts"
import type { GraphNode } from "../../runtime/supervision.ts"

export const supervisorNode = ({
  name,
  supervisor,
  strategy,
  intensity,
  onExhausted
}: RuntimeSupervisor): SupervisorNode => ({
  name,
  ...(supervisor !== undefined && { supervisor }),
  strategy,
  max: intensity.max,
  within_ms: Duration.toMillis(Duration.fromInputUnsafe(intensity.within)),
  on_exhausted: onExhausted
})

export const actorNode = (node: GraphNode): ActorNode => ({
  name: node.name,
  supervisor: node.supervisor,
  state: node.state,
  ...(node.parkedFor !== undefined && { reason: reasonOf(node.parkedFor) }),
  ...(node.retryInMs !== undefined && { retry_in_ms: node.retryInMs }),
  peers: node.peers,
  overflow: node.overflow,
  capacity: node.capacity,
  depth: node.depth,
  max_depth: node.maxDepth,
  held: node.held,
  oldest_ms: node.oldestMs,
  handling: node.handling.map(({ message, forMs }) => ({ message, for_ms: forMs })),
  handled: node.handled,
  wait_ms: node.waitMs,
  longest_wait_ms: node.longestWaitMs,
  handling_ms: node.handlingMs,
  longest_handling_ms: node.longestHandlingMs,
  restarts: node.restarts,
  dropped: node.dropped,
  coalesced: node.coalesced,
  refused: node.refused,
  dead_letters: node.deadLetters,
  late_answers: node.lateAnswers
})
