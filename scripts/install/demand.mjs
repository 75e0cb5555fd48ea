/** Something that must be true of an installed device is not. */
export class CheckFailed extends Error {}

export const demand = (isTrue, what) => {
  if (!isTrue) throw new CheckFailed(what)
}
