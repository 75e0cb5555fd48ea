/**
 * tedge-actors/testing: support for tests of actors, and a fake token.
 *
 * The entry point, and the only file that re-exports.
 */
export type { CryptokiEvent, CryptokiProtocol, KeySelector } from "../messages/cryptoki.ts"
export { type FakeToken, fakeToken } from "./fake-token.ts"
export type { FakeTokenOptions, FakeTokenState } from "./fake-token-card.ts"
export { type Probe, type ProbeSpec, probe, type Received } from "./probe.ts"
export { type Chance, chanceFrom, type Interleaved, interleaved, seeds } from "./seeded-scheduler.ts"
export { passTime, settled, withTestClock } from "./test-clock.ts"
