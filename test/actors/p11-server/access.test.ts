/** Who may do what with the signing service, and what its scope leaves to them. */
import { Effect, Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import { accessOf, clientSelector } from "../../../src/actors/p11-server/request-context.ts"
import { parsePkcs11Uri, printPkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"
import type { Frame } from "../../../src/messages/wire/frame1.ts"
import { ask, type Served, type ServedOptions, withServed } from "./served.ts"

const uri = (text: string) => Result.getOrThrow(parsePkcs11Uri(text))
const client = (uid: number | undefined, gid = 100) => ({ uid, gid, pid: 1 })
const ownUid = 900

describe("access to the signing service", () => {
  it("lets everybody who reaches the socket list, sign and read, and make no key", () => {
    for (const someone of [client(1000), client(undefined)])
      expect(accessOf(someone, [], ownUid).operations).toEqual(["list", "sign", "public-key"])
  })

  it("lets root and the service's own user do everything", () => {
    for (const uid of [0, ownUid]) expect(accessOf(client(uid), [], ownUid).operations).toContain("init")
  })

  it("goes by the first rule that names the user or the group", () => {
    const rules = [
      { who: { uid: 1000 }, operations: ["delete-key"], scope: uri("pkcs11:token=a") },
      { who: { gid: 100 }, operations: [] }
    ] as const
    expect(accessOf(client(1000), rules, ownUid)).toMatchObject({ operations: ["delete-key"], scope: { token: "a" } })
    expect(accessOf(client(1001), rules, ownUid).operations).toEqual([])
    expect(accessOf({ ...client(1001, 7), groups: [] }, rules, ownUid).operations).toContain("sign")
  })

  it("goes by every group of the client, not by its primary one alone", () => {
    const rules = [{ who: { gid: 100 }, operations: ["list"], scope: uri("pkcs11:token=a") }] as const
    const member = { ...client(1001, 7), groups: [5, 100] }
    expect(accessOf(member, rules, ownUid)).toMatchObject({ operations: ["list"], scope: { token: "a" }, rule: 1 })
  })

  it("restricts a user's subordinate ids as the user, counts their PINs with the user's, and grants them nothing", () => {
    const rules = [{ who: { uid: 1001 }, operations: ["list", "delete-key"], scope: uri("pkcs11:token=a") }] as const
    const mapped = { ...client(100_005), ownerUid: 1001 }
    expect(accessOf(mapped, rules, ownUid)).toMatchObject({ operations: ["list"], scope: { token: "a" } })
    expect(accessOf(mapped, rules, ownUid).countedAs).toBe(1001)
    // Of the service's own user, or a container's root: no more than anybody.
    expect(accessOf({ ...mapped, ownerUid: ownUid }, [], ownUid)).toMatchObject({
      isUnlimited: false,
      countedAs: ownUid
    })
  })

  it("restricts who perhaps is in a group, and allows no more than anybody may", () => {
    const rules = [{ who: { gid: 100 }, operations: ["list", "delete-key"], scope: uri("pkcs11:token=a") }] as const
    const untold = { ...client(1001, 7), groups: undefined }
    expect(accessOf(untold, rules, ownUid)).toMatchObject({ operations: ["list"], scope: { token: "a" } })
  })
})

describe("a client's URI inside the service's scope", () => {
  const inside = (
    text: string | undefined,
    scopes: { service?: string; rule?: string },
    purpose: "reads" | "changes" = "reads"
  ) =>
    Effect.runSync(
      Effect.result(
        clientSelector(
          text,
          undefined,
          {
            service: scopes.service === undefined ? undefined : uri(scopes.service),
            rule: scopes.rule === undefined ? undefined : uri(scopes.rule)
          },
          purpose
        )
      )
    )
  const seen = (...args: Parameters<typeof inside>) =>
    Result.match(inside(...args), {
      onSuccess: ({ selector, ignored }) => [printPkcs11Uri(selector.uri, { pin: "shown" }), ...ignored],
      onFailure: (failure) => failure._tag
    })

  it.each([
    ["pkcs11:token=token2;object=key1", { service: "pkcs11:token=token1" }, ["pkcs11:token=token1;object=key1"]],
    [undefined, { service: "pkcs11:token=token1" }, ["pkcs11:token=token1"]],
    [undefined, {}, ["pkcs11:"]],
    ["pkcs11:object=b", { service: "pkcs11:token=t", rule: "pkcs11:id=%01" }, ["pkcs11:token=t;id=%01;object=b"]],
    ["pkcs11:token=a", { service: "pkcs11:token=s", rule: "pkcs11:token=r" }, "OutsideScope"],
    ["pkcs11:token=a?pin-value=1", { service: "pkcs11:token=s?pin-value=2" }, ["pkcs11:token=s?pin-value=1"]],
    [
      "pkcs11:?module-path=/opt/evil.so&module-name=x&pin-source=/etc/shadow",
      {},
      ["pkcs11:", "module-name", "module-path", "pin-source"]
    ]
  ] as const)("%s in %j is %j", (text, scopes, expected) => {
    expect(seen(text, scopes)).toEqual(expected)
  })

  it("is refused for a change when it disagrees with the scope", () => {
    expect(seen("pkcs11:token=b", { service: "pkcs11:token=a" }, "changes")).toBe("OutsideScope")
    expect(seen("pkcs11:token=a", { service: "pkcs11:token=a" }, "changes")).toEqual(["pkcs11:token=a"])
  })
})

describe("the signing service", () => {
  const answers = (kit: Served, frame: Frame) => Effect.promise(() => ask(kit.socketPath, frame))
  const changes: ReadonlyArray<Frame> = [
    { _tag: "InitTokenRequest", label: "x", soPin: undefined, pin: Redacted.make("123456"), uri: undefined },
    {
      _tag: "ChangePinRequest",
      uri: undefined,
      newPin: Redacted.make("654321"),
      oldPin: undefined,
      soPin: undefined,
      reset: false
    },
    { _tag: "DeleteKeyRequest", uri: "pkcs11:object=my-key", pin: undefined },
    {
      _tag: "CreateKeyRequest",
      uri: "pkcs11:",
      params: { key: { type: "ec", curve: 256 }, label: "my-key", id: undefined },
      pin: undefined
    }
  ]
  /** The tests run as one user, so the rule names that one; as root nothing is refused, so the service is asked as nobody. */
  const asStranger = (options: ServedOptions["policy"] = {}): ServedOptions => ({
    policy: options,
    spec: { clientOf: () => client(4242) }
  })

  it("refuses what changes a token to a stranger, and names the operation", () =>
    withServed(asStranger(), (kit) =>
      Effect.gen(function* () {
        for (const change of changes) {
          expect(yield* answers(kit, change)).toMatchObject({
            _tag: "Error",
            message: expect.stringMatching(
              /user 4242 may not .*:\n\[\[p11_server.rules\]\]\nuid = 4242\noperations = \["list", "sign", "public-key", "(create-key|init|change-pin|delete-key)"\]$/
            )
          })
        }
        expect(kit.events.filter((event) => event._tag === "RequestRefused")).toHaveLength(changes.length)
        expect(kit.token.state.pin).toBe("123456")
      })
    ))

  it("allows it by a rule, from the moment the rule is there", () =>
    withServed(asStranger(), (kit) =>
      Effect.gen(function* () {
        const rules = [
          { who: { uid: 1 }, operations: [] },
          { who: { uid: 4242 }, operations: ["delete-key"] }
        ] as const
        yield* kit.server.ask("Reload", { ...kit.policy, rules }, { within: "30 seconds" })
        const deleteKey = { _tag: "DeleteKeyRequest", uri: "pkcs11:object=my-key", pin: undefined } as const
        expect(yield* answers(kit, deleteKey)).toMatchObject({ _tag: "DeleteKeyResponse" })
        expect(yield* answers(kit, { _tag: "ListTokensRequest" })).toMatchObject({
          _tag: "Error",
          message:
            'PKCS #11 service failed: user 4242 may not do this (list); add "list" to the operations of its rule (rule 2 of p11_server.rules)'
        })
      })
    ))

  it("creates a second key of a label only for root and for clients with a rule for that label", () => {
    const create = (label: string) => {
      const params = { key: { type: "ec", curve: 256 }, label, id: undefined } as const
      return { _tag: "CreateKeyRequest", uri: "pkcs11:", params, pin: undefined } as const
    }
    const rules = [
      { who: { uid: 4242 }, operations: ["create-key"] },
      { who: { uid: 4243 }, operations: ["create-key"], scope: uri("pkcs11:object=my-key") }
    ] as const
    let uid = 4242
    return withServed({ policy: { rules }, spec: { clientOf: () => client(uid) } }, (kit) =>
      Effect.gen(function* () {
        const taken = yield* answers(kit, create("my-key"))
        expect(taken).toMatchObject({
          _tag: "Error",
          message: expect.stringContaining("already has a key labelled 'my-key'")
        })
        expect(yield* answers(kit, create("another"))).toMatchObject({ _tag: "CreateKeyResponse" })
        for (uid of [4243, 0])
          expect(yield* answers(kit, create("my-key"))).toMatchObject({ _tag: "CreateKeyResponse" })
      })
    )
  })

  it("makes nothing outside its scope", () =>
    withServed({ policy: { scope: uri("pkcs11:token=my-token;object=allowed") } }, (kit) =>
      Effect.gen(function* () {
        const create = (token: string, label: string) => {
          const params = { key: { type: "ec", curve: 256 }, label, id: undefined } as const
          return answers(kit, { _tag: "CreateKeyRequest", uri: token, params, pin: undefined })
        }
        const outside = {
          _tag: "Error",
          message: expect.stringContaining("is outside the scope of device.cryptoki.uri")
        }
        expect(yield* create("pkcs11:token=other", "allowed")).toMatchObject(outside)
        expect(yield* create("pkcs11:token=my-token", "another")).toMatchObject(outside)
        expect(yield* create("pkcs11:", "allowed")).toMatchObject({ _tag: "CreateKeyResponse" })
        const init = {
          _tag: "InitTokenRequest",
          label: "other",
          soPin: undefined,
          pin: Redacted.make("1234"),
          uri: undefined
        } as const
        expect(yield* answers(kit, init)).toMatchObject(outside)
      })
    ))

  it("lists only what its scope has", () =>
    withServed({ policy: { scope: uri("pkcs11:object=other") } }, (kit) =>
      Effect.gen(function* () {
        kit.token.addKey("other", "02")
        const keys = yield* answers(kit, { _tag: "ListKeysRequest", uri: undefined, pin: undefined })
        expect(keys._tag === "ListKeysResponse" && keys.keys.map((key) => key.label)).toEqual(["other", "other"])
        yield* kit.server.ask(
          "Reload",
          { ...kit.policy, scope: uri("pkcs11:token=elsewhere") },
          { within: "30 seconds" }
        )
        expect(yield* answers(kit, { _tag: "ListTokensRequest" })).toEqual({ _tag: "ListTokensResponse", tokens: [] })
        expect(yield* answers(kit, { _tag: "GetTokensUrisRequest" })).toEqual({
          _tag: "GetTokensUrisResponse",
          uris: []
        })
      })
    ))

  it("lists to a client only what its rule has", () =>
    withServed(asStranger(), (kit) =>
      Effect.gen(function* () {
        kit.token.addKey("other", "02")
        const under = (scope: string) => {
          const rules = [{ who: { uid: 4242 }, operations: ["list"], scope: uri(scope) }] as const
          return kit.server.ask("Reload", { ...kit.policy, rules }, { within: "30 seconds" })
        }
        yield* under("pkcs11:object=other")
        const keys = yield* answers(kit, { _tag: "ListKeysRequest", uri: undefined, pin: undefined })
        expect(keys._tag === "ListKeysResponse" && keys.keys.map((key) => key.label)).toEqual(["other", "other"])
        yield* under("pkcs11:token=elsewhere")
        expect(yield* answers(kit, { _tag: "ListTokensRequest" })).toMatchObject({ tokens: [] })
        expect(yield* answers(kit, { _tag: "GetTokensUrisRequest" })).toMatchObject({ uris: [] })
      })
    ))

  it("warns about a module or a PIN source a client names, and does not use it", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const request = { _tag: "GetPublicKeyPemRequest", uri: "pkcs11:?module-path=/opt/evil.so" } as const
        expect(yield* answers(kit, request)).toMatchObject({ _tag: "GetPublicKeyPemResponse" })
        expect(kit.events).toContainEqual(
          expect.objectContaining({ _tag: "ClientAttributeIgnored", attribute: "module-path" })
        )
      })
    ))

  it("knows the user at the other end", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        yield* answers(kit, { _tag: "ListTokensRequest" })
        const served = kit.events.find((event) => event._tag === "RequestServed")
        expect(served).toMatchObject({ client: { uid: process.getuid?.(), gid: process.getgid?.(), pid: process.pid } })
      })
    ))

  it("publishes an audit event per request, without the signed data", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const toSign = Uint8Array.from(Buffer.from("TOP SECRET TEXT"))
        yield* answers(kit, {
          _tag: "SignRequest",
          toSign,
          uri: "pkcs11:object=my-key?pin-value=123456",
          pin: undefined
        })
        expect(kit.events).toMatchObject([
          { _tag: "RequestServed", operation: "sign", uri: expect.stringContaining("id=%01;object=my-key") }
        ])
        expect(JSON.stringify(kit.events)).not.toMatch(/TOP SECRET|123456|"84,79/)
      })
    ))
})
