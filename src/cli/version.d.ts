/** The version of the package, defined by scripts/build.mjs, and for tests. */
declare const __VERSION__: string
