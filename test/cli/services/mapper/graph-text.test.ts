/** The actors of a mapper as text, and that nothing they carry gets into it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cause, Effect, Redacted } from "effect"
import { afterEach, beforeEach, expect, it } from "vitest"
import { nodeText, treeText } from "../../../../src/cli/services/mapper/graph-text.ts"
import { mapperTree } from "../../../../src/cli/services/mapper/mapper-graph.ts"
import type { CryptokiEvent } from "../../../../src/messages/cryptoki.ts"
import { Channel } from "../../../../src/runtime/channel.ts"
import type { GraphNode } from "../../../../src/runtime/supervision.ts"
import { fakeToken } from "../../../../src/testing/fake-token.ts"
import { planFrom } from "../../../support/device/mapper.ts"
import { testPki } from "../../../support/tls/pki.ts"

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "graph-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it("prints the tree with rules, mailboxes and edges", async () => {
  const pki = testPki({ deviceId: "dev01" })
  const files = `cert_path = "${pki.deviceCertFile}"\nkey_path = "${pki.deviceKeyFile}"`
  const plan = await Effect.runPromise(planFrom(dir, `[device]\n${files}\n[c8y]\nurl = "example.com"\n`))
  pki.remove()
  const tree = await Effect.runPromise(
    mapperTree({
      plan,
      cryptoki: fakeToken({ defaultPin: "123456", onEvent: () => undefined }).behaviour,
      cryptokiEvents: Channel.make<CryptokiEvent>("cryptoki"),
      connect: () => () => Effect.never
    })
  )
  expect(treeText(tree)).toMatchInlineSnapshot(`
    "mapper: one_for_one, at most 3 restarts in 1m, then escalate
    |- token: one_for_one, at most 5 restarts in 1m, then park
    |  '- mapper/cryptoki: permanent, mailbox 16384 refuse
    |- links: one_for_one, at most 5 restarts in 1m, then escalate
    |  |- mapper/local: permanent, mailbox 4096 refuse -> mapper/bridge
    |  |- mapper/service: permanent, mailbox 4096 refuse -> mapper/health
    |  '- mapper/cloud: permanent, mailbox 4096 refuse -> mapper/bridge, mapper/cryptoki
    |- mapper/health: permanent, mailbox 64 block -> mapper/service, mapper/local, mapper/cloud
    '- mapper/bridge: permanent, mailbox 256 block -> mapper/local, mapper/cloud, mapper/health
    "
  `)
})

const quiet: GraphNode = {
  name: "mapper/bridge",
  supervisor: "mapper",
  state: "ready",
  retryInMs: undefined,
  parkedFor: undefined,
  peers: [],
  overflow: "block",
  capacity: 100,
  depth: 0,
  maxDepth: 0,
  held: 0,
  oldestMs: 0,
  handling: [],
  handled: 0,
  waitMs: 0,
  longestWaitMs: 0,
  handlingMs: 0,
  longestHandlingMs: 0,
  restarts: 0,
  dropped: 0,
  coalesced: 0,
  refused: 0,
  deadLetters: 0,
  lateAnswers: 0
}

it("prints little for an idle actor, the current message of a busy one, the reason of a parked one", () => {
  expect(nodeText(quiet)).toBe("mapper/bridge: ready depth=0/100 handled=0")
  const busy = {
    ...{ depth: 3, oldestMs: 12.4, handled: 4, waitMs: 2, handlingMs: 10, restarts: 1, dropped: 2 },
    handling: [{ message: "Publish", forMs: 3 }]
  }
  expect(nodeText({ ...quiet, ...busy })).toBe(
    "mapper/bridge: ready depth=3/100 oldest=12ms handled=4 wait=0.5ms handling=2.5ms busy=Publish(3ms) restarts=1 dropped=2"
  )
  const parkedFor = Cause.die(new Error("the spring is gone"))
  expect(nodeText({ ...quiet, state: "parked", parkedFor })).toMatch(/parked .* reason="Error: the spring is gone"$/)
})

it("never prints the fields of a failure", () => {
  const pin = Redacted.make("4711")
  const bytes = new Uint8Array([104, 105, 106])
  const failures = [bytes, pin, { _tag: "PinRejected", pin, bytes }, { bytes }, [bytes, pin]]
  for (const failure of failures) {
    const text = nodeText({ ...quiet, state: "parked", parkedFor: Cause.fail(failure) })
    expect(text).not.toMatch(/4711|104|hij/)
  }
  expect(nodeText({ ...quiet, parkedFor: Cause.fail(failures[2]) })).toContain('reason="PinRejected"')
})
