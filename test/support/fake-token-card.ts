/** In the package: `tedge-actors/testing`. */
export * from "../../src/testing/fake-token-card.ts"
