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
import { Deferred, Effect, type Scope } from "effect"
import { supervisorsOf } from "./inspect.ts"
import { startDynamic } from "./internal/dynamic-supervisor.ts"
import { memberOf } from "./internal/members.ts"
import { supervisorEnvironment } from "./internal/supervisor-environment.ts"
import { Tree } from "./internal/tree.ts"
import { findFault } from "./internal/wiring.ts"
import { withRuntimeClock } from "./primitives/runtime-clock.ts"
import type {
  AnyChild,
  ServicesOf,
  StartFailed,
  StartRefused,
  SupervisorExit,
  SupervisorHandle,
  SupervisorSpec
} from "./supervision.ts"

const startTree = (spec: SupervisorSpec): Effect.Effect<SupervisorHandle, StartFailed | StartRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const fault = findFault(spec.children)
    if (fault !== undefined) return yield* Effect.fail(fault)
    const around = supervisorEnvironment(yield* Effect.context())
    const members = spec.children.map((child) => memberOf(child, around))
    const exit = Deferred.makeUnsafe<SupervisorExit>()
    const onExit = (how: SupervisorExit) => void Deferred.doneUnsafe(exit, Effect.succeed(how))
    const tree = new Tree({ spec, members, around, isRoot: true, onExit })
    const nodes = () => members.flatMap((member) => member.nodes(spec.name))
    const hide = around.show({ supervisors: supervisorsOf(spec), nodes })
    yield* Effect.addFinalizer(() => Effect.andThen(tree.stop("drain"), Effect.sync(hide)))
    yield* tree.startAll()
    return {
      stop: (mode) => tree.stop(mode),
      awaitExit: Deferred.await(exit),
      graph: Effect.sync(nodes),
      crash: (name) =>
        Effect.sync(() => {
          for (const member of members) member.crash(name)
        })
    } satisfies SupervisorHandle
  }).pipe(withRuntimeClock)

/** Every service the behaviours need is taken from where the tree is started. */
const start: <const Children extends ReadonlyArray<AnyChild>>(
  spec: SupervisorSpec<Children>
) => Effect.Effect<SupervisorHandle, StartFailed | StartRefused, ServicesOf<Children[number]> | Scope.Scope> = startTree

export const Supervisor = { start, dynamic: startDynamic }
