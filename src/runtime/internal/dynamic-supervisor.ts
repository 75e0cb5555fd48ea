/**
 * A supervisor with children added and removed at run time: OTP's simple_one_for_one.
 *
 *   Supervisor.dynamic(spec)  -> handle with no children
 *   handle.add(child)         -> started and ready, or StartFailed and nothing is left of it
 *   handle.remove(name)       -> stopped, and forgotten
 *
 * Each child is restarted by itself, with its own rule. One that has stopped permanently (temporary, transient) is removed.
 * All stop at the same time, with the scope at the latest.
 */
import { Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import {
  type AnyChild,
  type DynamicSupervisorHandle,
  type DynamicSupervisorSpec,
  type StartFailed,
  StartRefused,
  type StopReport,
  type SupervisorExit
} from "../supervision.ts"
import type { Member } from "./member.ts"
import { memberOf } from "./members.ts"
import { Intensity } from "./restart-policy.ts"
import type { StopMode } from "./running.ts"
import { type SupervisorEnvironment, supervisorEnvironment } from "./supervisor-environment.ts"
import { Tree } from "./tree.ts"
import { findFault } from "./wiring.ts"

interface Child {
  readonly tree: Tree
  readonly member: Member
  /** Its first start; in its own fiber, so that a stop ends it, whichever fiber requested it. */
  starting: Fiber.Fiber<void, StartFailed> | undefined
}

export const startDynamic = (spec: DynamicSupervisorSpec): Effect.Effect<DynamicSupervisorHandle, never, Scope.Scope> =>
  Effect.gen(function* () {
    const around = supervisorEnvironment(yield* Effect.context())
    const supervisor = new DynamicSupervisor(spec, around)
    const nodes = () => supervisor.members().flatMap((member) => member.nodes(spec.name))
    const { name, intensity, onExhausted } = spec
    const node = { name, supervisor: undefined, strategy: "one_for_one", intensity, onExhausted } as const
    const hide = around.show({ supervisors: [node], nodes })
    yield* Effect.addFinalizer(() => Effect.andThen(supervisor.stop("drain"), Effect.sync(hide)))
    return {
      add: (child) => supervisor.add(child),
      remove: (name, mode = "drain") => supervisor.remove(name, mode),
      stop: (mode) => supervisor.stop(mode),
      awaitExit: Deferred.await(supervisor.exit),
      graph: Effect.sync(nodes),
      crash: (name) =>
        Effect.sync(() => {
          for (const member of supervisor.members()) member.crash(name)
        })
    }
  })

class DynamicSupervisor {
  readonly exit = Deferred.makeUnsafe<SupervisorExit>()
  private readonly spec: DynamicSupervisorSpec
  private readonly around: SupervisorEnvironment
  /** Counted for all of them together, unless each is parked by itself. */
  private readonly intensity: Intensity
  private readonly children = new Map<string, Child>()
  private isStopping = false

  constructor(spec: DynamicSupervisorSpec, around: SupervisorEnvironment) {
    this.spec = spec
    this.around = around
    this.intensity = new Intensity(spec.intensity)
  }

  members(): ReadonlyArray<Member> {
    return [...this.children.values()].map(({ member }) => member)
  }

  add(child: AnyChild): Effect.Effect<void, StartFailed | StartRefused> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<void, StartFailed | StartRefused> => {
        const { name } = child
        if (this.isStopping) return Effect.fail(new StartRefused({ reason: "stopped", path: [this.spec.name] }))
        const fault = this.children.has(name)
          ? new StartRefused({ reason: "occupied", path: [name] })
          : findFault([child])
        if (fault !== undefined) return Effect.fail(fault)
        const added = this.make(child)
        // In the map from the first step, so that a stop in the middle of its start finds it.
        this.children.set(name, added)
        const starting = this.fork(added.tree.startAll())
        added.starting = starting
        return Effect.flatMap(
          Effect.onInterrupt(restore(Fiber.await(starting)), () => Fiber.interrupt(starting)),
          (exit) => this.started(name, exit)
        ).pipe(Effect.onError(() => Effect.sync(() => this.forget(name, added))))
      })
    )
  }

  private started(name: string, exit: Exit.Exit<void, StartFailed>): Effect.Effect<void, StartFailed | StartRefused> {
    const isStopped = Exit.hasInterrupts(exit)
    return isStopped ? Effect.fail(new StartRefused({ reason: "stopped", path: [this.spec.name, name] })) : exit
  }

  remove(name: string, mode: StopMode): Effect.Effect<StopReport> {
    return Effect.suspend(() => {
      const child = this.children.get(name)
      if (child === undefined) return Effect.succeed(nothing)
      const starting = child.starting ? Fiber.interrupt(child.starting) : Effect.void
      return Effect.ensuring(
        Effect.andThen(starting, child.tree.stop(mode)),
        Effect.sync(() => this.forget(name, child))
      )
    })
  }

  stop(mode: StopMode): Effect.Effect<StopReport> {
    return Effect.uninterruptible(
      Effect.map(this.stopAll(mode), (report) => {
        Deferred.doneUnsafe(this.exit, Effect.succeed({ _tag: "Stopped", report }))
        return report
      })
    )
  }

  private stopAll(mode: StopMode): Effect.Effect<StopReport> {
    return Effect.suspend(() => {
      this.isStopping = true
      const stopping = Effect.forEach([...this.children.keys()], (name) => this.remove(name, mode), {
        concurrency: "unbounded"
      })
      return Effect.map(stopping, (reports) =>
        reports.reduce(
          (one, other) => ({
            clean: [...one.clean, ...other.clean],
            forced: [...one.forced, ...other.forced],
            unhandled: one.unhandled + other.unhandled
          }),
          nothing
        )
      )
    })
  }

  private make(child: AnyChild): Child {
    const { name, intensity, backoff, onExhausted, retryParked } = this.spec
    const member = memberOf(child, this.around)
    const tree = new Tree({
      spec: {
        name,
        strategy: "one_for_one",
        intensity,
        backoff,
        onExhausted,
        ...(retryParked !== undefined && { retryParked }),
        children: [child]
      },
      members: [member],
      around: this.around,
      isRoot: true,
      intensity: this.intensity,
      onExit: (exit) => {
        if (exit._tag === "GaveUp") this.giveUp(exit)
      },
      onDone: () => this.forget(child.name, added)
    })
    const added: Child = { tree, member, starting: undefined }
    return added
  }

  private giveUp(exit: SupervisorExit): void {
    if (this.isStopping) return
    const stopping = Effect.map(
      this.stopAll("current"),
      () => void Deferred.doneUnsafe(this.exit, Effect.succeed(exit))
    )
    this.fork(Effect.uninterruptible(stopping))
  }

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.around.context)(effect)
  }

  private forget(name: string, child: Child): void {
    if (this.children.get(name) === child) this.children.delete(name)
  }
}

const nothing: StopReport = { clean: [], forced: [], unhandled: 0 }
