/** A package cannot be made. The message is for the person at the terminal. */
export class PackageFailed extends Error {}
