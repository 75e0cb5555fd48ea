/**
 * An observable that cannot end the process: exceptions of its subscribers, and unhandled errors of its operators,
 * go to `onFailure`. rxjs throws them from a timer, and its own hook for them is process-wide.
 *
 * Applies to everything piped from it; a stream merged from several follows the rules of rxjs again.
 */
import { Observable, type Observer, type Operator, Subscriber, type Subscription } from "rxjs"

type OnFailure = (error: unknown) => void

export class GuardedObservable<A> extends Observable<A> {
  private readonly onFailure: OnFailure

  constructor(source: Observable<unknown>, onFailure: OnFailure, operator?: Operator<never, A>) {
    super()
    this.source = source
    // The operator determines the type of the source.
    this.operator = operator as Operator<unknown, A> | undefined
    this.onFailure = onFailure
  }

  /** The result of `pipe`. */
  override lift<B>(operator?: Operator<A, B>): Observable<B> {
    return new GuardedObservable<B>(this, this.onFailure, operator as Operator<never, B> | undefined)
  }

  override subscribe(
    observer?: Partial<Observer<A>> | ((value: A) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null
  ): Subscription {
    // An operator below subscribes with a subscriber, and handles errors itself.
    if (observer instanceof Subscriber) return super.subscribe(observer)
    const given: Partial<Observer<A>> =
      typeof observer === "function" || observer == null
        ? { ...(observer && { next: observer }), ...(error && { error }), ...(complete && { complete }) }
        : observer
    const onError = given.error
    return super.subscribe({
      next: (value) => this.guard(() => given.next?.(value)),
      error: (failure) => (onError ? this.guard(() => onError.call(given, failure)) : this.onFailure(failure)),
      complete: () => this.guard(() => given.complete?.())
    })
  }

  private guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.onFailure(error)
    }
  }
}
