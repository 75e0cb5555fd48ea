/**
 * An observable that cannot end the process: what its subscribers throw, and unhandled errors of its operators,
 * go to `onFailure`. rxjs throws them from a timer, and its own hook for them is one for the process.
 *
 * It holds for what is piped from it; a stream that several are merged into follows the rules of rxjs again.
 */
import { Observable, type Observer, type Operator, Subscriber, type Subscription } from "rxjs"

type OnFailure = (error: unknown) => void

export class GuardedObservable<A> extends Observable<A> {
  private readonly onFailure: OnFailure

  constructor(source: Observable<unknown>, onFailure: OnFailure, operator?: Operator<never, A>) {
    super()
    this.source = source
    // The type of the source is the operator's business.
    this.operator = operator as Operator<unknown, A> | undefined
    this.onFailure = onFailure
  }

  /** What `pipe` makes of it. */
  override lift<B>(operator?: Operator<A, B>): Observable<B> {
    return new GuardedObservable<B>(this, this.onFailure, operator as Operator<never, B> | undefined)
  }

  override subscribe(
    observer?: Partial<Observer<A>> | ((value: A) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null
  ): Subscription {
    // An operator below subscribes with a subscriber, and looks after errors itself.
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
