/** The members of a supervisor from its specification: actors, and supervisors below it. */
import { Effect, Exit } from "effect"
import type { AnyChild, SupervisorExit, SupervisorSpec } from "../supervision.ts"
import { ActorMember, type Member, type MemberListener } from "./member.ts"
import type { SupervisorEnvironment } from "./supervisor-environment.ts"
import { Tree } from "./tree.ts"

export const memberOf = (child: AnyChild, around: SupervisorEnvironment): Member =>
  "kind" in child ? new ActorMember(child, around.context) : treeMember(child, around)

/** A supervisor below another: permanent; when it fails, its parent handles a failed member. */
const treeMember = (spec: SupervisorSpec, around: SupervisorEnvironment): Member => {
  const members = spec.children.map((child) => memberOf(child, around))
  let tree: Tree | undefined
  let isStopping = false

  const startTree = ({ onReady, onEnded }: MemberListener) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const onExit = (exit: SupervisorExit) => {
          if (exit._tag === "GaveUp" && tree === started && !isStopping) onEnded(Exit.failCause(exit.cause))
        }
        isStopping = false
        const started: Tree = new Tree({ spec, members, around, isRoot: false, onExit })
        tree = started
        return restore(started.startAll()).pipe(
          Effect.onError(() => started.stop("current")),
          Effect.tap(() => Effect.sync(onReady))
        )
      })
    )

  return {
    name: spec.name,
    restart: "permanent",
    decide: () => "restart",
    start: startTree,
    stop: (mode) =>
      Effect.suspend((): ReturnType<Member["stop"]> => {
        isStopping = true
        return tree?.stop(mode) ?? Effect.succeed({ clean: [], forced: [] })
      }),
    close: (state, parked) =>
      tree?.closeAll(state, parked) ?? members.reduce((left, member) => left + member.close(state, parked), 0),
    countRestart: () => {
      for (const member of members) member.countRestart()
    },
    crash: (name) => {
      for (const member of members) member.crash(name)
    },
    nodes: () => members.flatMap((member) => member.nodes(spec.name))
  }
}
