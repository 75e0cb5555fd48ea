/**
 * The clock of every fiber of the runtime: monotonic, even where Effect itself would read wall time.
 *
 * Effect's own clock returns wall time for `currentTimeMillis`, and its caches, schedules and pools use that for
 * durations: a clock step would lengthen or end their waits. Here it is the wall time of the start of the process plus
 * the monotonic time since. Node's timers do not advance while the system is suspended; a long sleep that was due
 * meanwhile ends within seconds of the resume.
 */
import { uptime } from "node:os"
import { Clock, Context, Duration, Effect } from "effect"

/** Readings of the system, in milliseconds with fractions. */
interface TimeSources {
  readonly monotonicNanos: () => bigint
  readonly wallMs: () => number
  /** Since the boot, time in suspend included (CLOCK_BOOTTIME). */
  readonly bootMs: () => number
}

export class RuntimeClock implements Clock.Clock {
  private readonly sources: TimeSources
  private readonly startedMs: number
  private readonly startedNanos: bigint
  /** What wall time is ahead of monotonic time, in nanoseconds. */
  private wallAhead: bigint
  private readonly longSleeps = new Set<LongSleep>()
  private watch: NodeJS.Timeout | undefined
  /** What boot time is ahead of monotonic time: grows by each suspend. */
  private suspendedMs = 0

  constructor(sources: TimeSources) {
    this.sources = sources
    this.startedMs = sources.wallMs()
    this.startedNanos = sources.monotonicNanos()
    this.wallAhead = BigInt(Math.round(this.startedMs)) * 1_000_000n - this.startedNanos
  }

  /** Milliseconds since 1970, as the system's clock is set now. */
  wallMs(): number {
    return this.sources.wallMs()
  }

  /** Nanoseconds since 1970: follows steps of the system's clock, and runs on between its milliseconds. */
  wallNanos(): bigint {
    const monotonic = this.sources.monotonicNanos()
    const ahead = BigInt(Math.round(this.sources.wallMs())) * 1_000_000n - monotonic
    const differs = ahead - this.wallAhead
    if (differs > wallResolution || differs < -wallResolution) this.wallAhead = ahead
    return monotonic + this.wallAhead
  }

  /** Milliseconds since the boot, time in suspend included. */
  bootMs(): number {
    return this.sources.bootMs()
  }

  currentTimeMillisUnsafe(): number {
    return this.startedMs + Math.floor(Number(this.sinceStart()) / 1e6)
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.startedMs)) * 1_000_000n + this.sinceStart()
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.sources.monotonicNanos()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const ms = Duration.toMillis(duration)
    if (ms <= 0) return Effect.yieldNow
    if (ms === Number.POSITIVE_INFINITY) return Effect.never
    return Effect.callback((resume) => {
      const wake = () => resume(Effect.void)
      if (ms > lookAgainMs) return Effect.sync(this.sleepLong(ms, wake))
      const timer = setTimeout(wake, ms)
      return Effect.sync(() => clearTimeout(timer))
    })
  }

  private sinceStart(): bigint {
    return this.sources.monotonicNanos() - this.startedNanos
  }

  private sleepLong(ms: number, wake: () => void): () => void {
    // A suspend that has ended already takes nothing from this sleep.
    this.lookForSuspend()
    if (this.watch === undefined) {
      // Does not keep the process alive: the sleeps do.
      this.watch = setInterval(() => this.lookForSuspend(), lookAgainMs).unref()
    }
    const sleep: LongSleep = { dueMs: this.monotonicMs() + ms, wake, timer: undefined }
    this.longSleeps.add(sleep)
    this.arm(sleep)
    return () => this.end(sleep)
  }

  private arm(sleep: LongSleep): void {
    clearTimeout(sleep.timer)
    const leftMs = sleep.dueMs - this.monotonicMs()
    const expired = () => {
      if (leftMs > longestTimerMs) return this.arm(sleep)
      this.end(sleep)
      sleep.wake()
    }
    sleep.timer = setTimeout(expired, Math.min(Math.max(leftMs, 0), longestTimerMs))
  }

  private end(sleep: LongSleep): void {
    clearTimeout(sleep.timer)
    this.longSleeps.delete(sleep)
    if (this.longSleeps.size > 0) return
    clearInterval(this.watch)
    this.watch = undefined
  }

  private lookForSuspend(): void {
    const suspendedMs = this.readSuspendedMs()
    const byMs = suspendedMs - this.suspendedMs
    if (byMs < leastSuspendMs) return
    this.suspendedMs = suspendedMs
    for (const sleep of [...this.longSleeps]) {
      sleep.dueMs -= byMs
      this.arm(sleep)
    }
  }

  private readSuspendedMs(): number {
    return this.sources.bootMs() - this.monotonicMs()
  }

  private monotonicMs(): number {
    return Number(this.sources.monotonicNanos()) / 1e6
  }
}

const systemClock = new RuntimeClock({
  monotonicNanos: () => process.hrtime.bigint(),
  wallMs: () => Date.now(),
  bootMs: () => uptime() * 1000
})

/** Effect's own clock, the default if none was provided. */
const clockOfEffect = Context.get(Context.empty(), Clock.Clock)

/** Runs with the provided clock, as tests do; by default with the runtime's, not with Effect's. */
export const withRuntimeClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    clock === clockOfEffect ? Effect.provideService(effect, Clock.Clock, systemClock) : effect
  )

/** Milliseconds since the boot, suspend included; a clock without a boot, as in tests, is never suspended. */
export const bootMs = (clock: Clock.Clock): number =>
  clock instanceof RuntimeClock ? clock.bootMs() : Number(clock.monotonicTimeNanosUnsafe()) / 1e6

interface LongSleep {
  /** Monotonic milliseconds. */
  dueMs: number
  readonly wake: () => void
  timer: NodeJS.Timeout | undefined
}

/** Nanoseconds; the system's clock is read in milliseconds. */
const wallResolution = 1_000_000n
/** How long after a resume a sleep may still last. */
const lookAgainMs = 5000
/** The system's uptime is read in hundredths of a second. */
const leastSuspendMs = 1000
/** Timers of Node hold 31 bits of milliseconds. */
export const longestTimerMs = 2 ** 31 - 1
