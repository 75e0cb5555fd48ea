/** A promise and what resolves it: `Promise.withResolvers`, which Node 20 lacks. */

export const later = <A>() => {
  let resolve: (value: A | PromiseLike<A>) => void = () => undefined
  const promise = new Promise<A>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
