/**
 * tedge-actors/testing: what tests of actors need, and a token without a token.
 *
 * The entry, and the one file of it that hands on names of others.
 */
export type { CryptokiEvent, CryptokiProtocol, KeySelector } from "../messages/cryptoki.ts"
export { type FakeToken, fakeToken } from "./fake-token.ts"
export type { FakeTokenOptions, FakeTokenState } from "./fake-token-card.ts"
export { type Probe, type ProbeSpec, probe, type Received } from "./probe.ts"
export { type Chance, chanceFrom, type Interleaved, interleaved, seeds } from "./seeded-scheduler.ts"
export { passTime, settled, withTestClock } from "./test-clock.ts"
