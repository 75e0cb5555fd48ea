/**
 * Starts a tree of actors and keeps it running.
 *
 *   Supervisor.start(spec)
 *     check the wiring     -> StartRefused, nothing was started
 *     start each in order  -> StartFailed, those before it were stopped again
 *     handle               -> stop, awaitExit, graph
 *
 * The tree stops, drained, with the scope it was started in.
 */
import { Clock, Context, Deferred, Effect, Exit, Random, type Scope } from "effect"
import { RuntimeEvents } from "./events.ts"
import { ActorMember, type Member, type MemberListener } from "./member.ts"
import { withRuntimeClock } from "./runtime-clock.ts"
import type {
  AnyChild,
  ServicesOf,
  StartFailed,
  StartRefused,
  SupervisorExit,
  SupervisorHandle,
  SupervisorSpec
} from "./supervision.ts"
import { type Surroundings, Tree } from "./tree.ts"
import { findFault } from "./wiring.ts"

const startTree = (spec: SupervisorSpec): Effect.Effect<SupervisorHandle, StartFailed | StartRefused, Scope.Scope> =>
  withRuntimeClock(startChecked(spec))

const startChecked = (spec: SupervisorSpec): Effect.Effect<SupervisorHandle, StartFailed | StartRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const fault = findFault(spec.children)
    if (fault !== undefined) return yield* Effect.fail(fault)
    const around = surroundings(yield* Effect.context())
    const members = membersOf(spec, around)
    const exit = Deferred.makeUnsafe<SupervisorExit>()
    const onExit = (how: SupervisorExit) => void Deferred.doneUnsafe(exit, Effect.succeed(how))
    const tree = new Tree({ spec, members, around, isRoot: true, onExit })
    yield* Effect.addFinalizer(() => tree.stop("drain"))
    yield* tree.startAll()
    return {
      stop: (mode) => tree.stop(mode),
      awaitExit: Deferred.await(exit),
      graph: Effect.sync(() => members.flatMap((member) => member.nodes(spec.name))),
      crash: (name) =>
        Effect.sync(() => {
          for (const member of members) member.crash(name)
        })
    }
  })

/** Every service the behaviours need is taken from where the tree is started. */
const start: <const Children extends ReadonlyArray<AnyChild>>(
  spec: SupervisorSpec<Children>
) => Effect.Effect<SupervisorHandle, StartFailed | StartRefused, ServicesOf<Children[number]> | Scope.Scope> = startTree

export const Supervisor = { start }

const surroundings = (context: Context.Context<never>): Surroundings => {
  const random = Context.get(context, Random.Random)
  return {
    context,
    clock: Context.get(context, Clock.Clock),
    events: Context.get(context, RuntimeEvents),
    chance: () => random.nextDoubleUnsafe()
  }
}

const membersOf = (spec: SupervisorSpec, around: Surroundings): ReadonlyArray<Member> =>
  spec.children.map((child) => ("kind" in child ? new ActorMember(child, around.context) : treeMember(child, around)))

/** A supervisor below another: permanent, and a failure of its parent when it gives up. */
const treeMember = (spec: SupervisorSpec, around: Surroundings): Member => {
  const members = membersOf(spec, around)
  let tree: Tree | undefined

  const startTree = ({ onReady, onEnded }: MemberListener) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const onExit = (exit: SupervisorExit) => {
          if (exit._tag === "GaveUp") onEnded(Exit.failCause(exit.cause))
        }
        const started = new Tree({ spec, members, around, isRoot: false, onExit })
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
    stop: (mode) => tree?.stop(mode) ?? Effect.succeed({ clean: [], forced: [] }),
    close: (state, cause) =>
      tree?.closeAll(state, cause) ?? members.reduce((left, member) => left + member.close(state, cause), 0),
    countRestart: () => {
      for (const member of members) member.countRestart()
    },
    crash: (name) => {
      for (const member of members) member.crash(name)
    },
    nodes: () => members.flatMap((member) => member.nodes(spec.name))
  }
}
