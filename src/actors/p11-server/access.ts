/**
 * Who may do what, by the user and group the kernel names for a connection.
 *
 * Every process that may open the socket may list, sign and read public keys. Creating keys, and changing or erasing a token,
 * needs root, the service's own user, or a rule. A process id decides nothing: it may be another process by now.
 */
import type { ClientId } from "../../messages/cryptoki.ts"
import {
  type AccessRule,
  allOperations,
  type Client,
  everybodysOperations,
  type ServerOperation
} from "../../messages/p11-server.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"

export interface Access {
  readonly uid: number | undefined
  /** Neither root nor the service's own user: the wrong PINs it gives are counted. */
  readonly countedAs?: ClientId
  /** The number of the rule that counts, from 1. */
  readonly rule: number | undefined
  readonly operations: ReadonlyArray<ServerOperation>
  /** Root or the service's own user: no rule counts for it. */
  readonly isUnlimited: boolean
  /** What the rule narrows the client to. */
  readonly scope: Pkcs11Uri | undefined
}

/** `ownUid`: the user the service runs as. */
export const accessOf = (client: Client, rules: ReadonlyArray<AccessRule>, ownUid: number): Access => {
  const access = accessByRules(client, rules, ownUid)
  const isExempt = client.uid === 0 || client.uid === ownUid
  return isExempt ? access : { ...access, countedAs: client.ownerUid ?? client.uid ?? "unknown" }
}

const accessByRules = (client: Client, rules: ReadonlyArray<AccessRule>, ownUid: number): Access => {
  if (client.uid !== undefined && (client.uid === 0 || client.uid === ownUid))
    return { uid: client.uid, rule: undefined, isUnlimited: true, operations: allOperations, scope: undefined }
  const index = rules.findIndex((rule) => mayMean(rule, client))
  const rule = rules[index]
  if (rule === undefined)
    return { uid: client.uid, rule: undefined, isUnlimited: false, operations: everybodysOperations, scope: undefined }
  // A client that perhaps belongs to a rule is restricted by it, and allowed no more than anybody.
  const operations = means(rule, client)
    ? rule.operations
    : rule.operations.filter((one) => everybodysOperations.includes(one))
  return { uid: client.uid, rule: index + 1, isUnlimited: false, operations, scope: rule.scope }
}

const means = ({ who }: AccessRule, { uid, gid, groups = [] }: Client): boolean =>
  "uid" in who ? who.uid === uid : who.gid === gid || groups.includes(who.gid)

/** As `means`, or it runs under a subordinate id of the user, or the kernel does not report its groups. */
const mayMean = (rule: AccessRule, client: Client): boolean =>
  means(rule, client) || ("uid" in rule.who ? rule.who.uid === client.ownerUid : client.groups === undefined)
