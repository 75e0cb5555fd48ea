/** In the package: `tedge-actors/testing`. */
export * from "../../src/testing/seeded-scheduler.ts"
