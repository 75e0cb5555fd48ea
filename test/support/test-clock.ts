/** In the package: `tedge-actors/testing`. */
export * from "../../src/testing/test-clock.ts"
