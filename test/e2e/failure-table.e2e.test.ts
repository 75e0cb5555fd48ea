/**
 * Every failure has its sentence and its next step: each is caused through the executable a person would run, with real
 * tokens, brokers and servers. The run prints the table.
 *
 * A failure that is added to explain.ts without a row here fails the first test.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Failure, sentences } from "../../src/messages/explain.ts"
import { certificateRows, hsmRows, statusRows } from "./failure-table/command-rows.ts"
import { cloudRows, localRows } from "./failure-table/connect-rows.ts"
import { networkRows, serviceRows, settingRows } from "./failure-table/connection-rows.ts"
import { causeAll, type Row, sentenceIn, tableText } from "./failure-table/row.ts"
import { settingsRows } from "./failure-table/settings-rows.ts"
import { moduleRows, tokenRows } from "./failure-table/token-rows.ts"
import { makeWorld, type World } from "./failure-table/world.ts"

const root = join(import.meta.dirname, "../..")

const rows: ReadonlyArray<Row> = [
  ...settingRows,
  ...tokenRows,
  ...moduleRows,
  ...networkRows,
  ...serviceRows,
  ...cloudRows,
  ...localRows,
  ...settingsRows,
  ...hsmRows,
  ...certificateRows,
  ...statusRows
]

/** Cannot be caused from outside; their sentences are tested in test/messages from values alone. */
const onlyFromValues: Partial<Readonly<Record<Failure["_tag"], string>>> = {
  AskTimeout: "every step has a limit of its own that comes before that of the ask",
  PeerDown: "an actor would have to have a defect",
  Undeliverable: "a command sends no more than a mailbox holds"
}

/** Caused on real parts, or on a scripted peer, by the test that stands here: each takes more than one command. */
const causedElsewhere: Partial<Readonly<Record<Failure["_tag"], string>>> = {
  BrokerDisconnected: "test/actors/mqtt/broker-connection.broker.test.ts",
  ClientIdContested: "test/actors/mqtt/link/disconnect-history.test.ts",
  DeviceStillOnline: "test/actors/connect/beside-thin-edge.test.ts",
  HostNotStarted: "test/actors/cryptoki/host/host-end.token.test.ts",
  KeyNotSelected: "test/cli/commands/hsm/settings-first.token.test.ts",
  KeyNotDeleted: "test/cli/commands/hsm/original-service.test.ts",
  LabelTaken: "test/actors/cryptoki/token/management.token.test.ts",
  LoginDelayed: "test/actors/cryptoki/pin/pins.token.test.ts",
  MapperHasBridge: "test/actors/connect/beside-thin-edge.test.ts",
  OtherKeyChosen: "test/cli/commands/hsm/new-key-used.token.test.ts",
  OtherKeyDeleted: "test/cli/commands/hsm/original-service.test.ts",
  OtherKeySelected: "test/cli/commands/hsm/original-service.test.ts",
  OtherTokenChanged: "test/cli/commands/hsm/original-service.test.ts",
  OtherTokenSelected: "test/cli/commands/hsm/original-service.test.ts",
  PinNotStored: "test/cli/commands/hsm/settings-first.token.test.ts",
  ServiceDown: "test/cli/commands/status/status.broker.test.ts",
  ServiceUserUnknown: "test/actors/cryptoki/host/host-user.token.test.ts",
  StatusForbidden: "test/cli/commands/status/status.broker.test.ts",
  StatusNotShown: "test/cli/commands/status/status.broker.test.ts",
  StatusSettingsForbidden: "test/cli/commands/status/status.broker.test.ts",
  StatusTimedOut: "test/cli/commands/status/status.broker.test.ts",
  SubscriptionRefused: "test/cli/services/mapper/refusals.broker.test.ts",
  TokenActorFailed: "test/actors/cryptoki/token-actors.test.ts"
}

let world: World
let outcomes: Awaited<ReturnType<typeof causeAll>>

beforeAll(async () => {
  world = await makeWorld()
  outcomes = await causeAll(world, rows)
}, 900_000)

afterAll(async () => {
  await world?.close()
  console.log(`\n${tableText(rows.map(lineOf))}\n`)
})

const lineOf = (row: Row): readonly [string, string, string, string] => {
  const outcome = outcomes?.get(row)
  const { error, hint } = sentenceIn(outcome !== undefined && "stderr" in outcome ? outcome.stderr : "")
  return [row.failure, row.how, error, hint]
}

describe("the table of failures", () => {
  it("has a row for every failure that explain.ts knows", () => {
    const known = Object.keys(sentences)
    const caused = rows.map(({ tag }): string => tag)
    const others = [...Object.keys(onlyFromValues), ...Object.keys(causedElsewhere)]
    expect(known.filter((tag) => !caused.includes(tag)).toSorted()).toEqual(others.toSorted())
    for (const file of Object.values(causedElsewhere)) expect(existsSync(join(root, file)), file).toBe(true)
  })

  it("names each failure once", () => {
    expect(new Set(rows.map(({ failure }) => failure)).size).toBe(rows.length)
  })
})

describe("the sentence", () => {
  it.each(rows.map((row) => [row.failure, row] as const))("for: %s", (_failure, row) => {
    const outcome = outcomes.get(row)
    if (outcome === undefined || "thrown" in outcome) throw outcome?.thrown
    const { code, stderr } = outcome
    const { error, hint } = sentenceIn(stderr)
    expect(error, stderr).toMatch(row.says)
    if (row.next === undefined) expect(hint, stderr).toBe("")
    else expect(hint, stderr).toMatch(row.next)
    expect(code, stderr).toBe(row.code ?? 1)
    expect(stderr).not.toMatch(/internal error|^\s+at /m)
    expect(stderr).not.toMatch(/000000|pin-value=[^x]|s3cret/)
  })
})

describe("a device that has nothing wrong with it", () => {
  it("connects with a key in a token without a warning about key files", async () => {
    const { tedge } = world.place()
    const { code, stderr } = await tedge(["connect", "c8y"])
    await tedge(["disconnect", "c8y"])
    expect([code, /warning|error/.test(stderr)], stderr).toEqual([0, false])
  })
})
