/**
 * Who may do what, by the user and group the kernel names for a connection.
 *
 * Whoever may open the socket may list, sign, read public keys and create keys. Changing or erasing a token needs
 * root, the service's own user, or a rule. A process id decides nothing: it may be another process by now.
 */
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
  /** The number of the rule that counts, from 1. */
  readonly rule: number | undefined
  readonly operations: ReadonlyArray<ServerOperation>
  /** What the rule narrows the client to. */
  readonly scope: Pkcs11Uri | undefined
}

/** `ownUid`: the user the service runs as. */
export const accessOf = (client: Client, rules: ReadonlyArray<AccessRule>, ownUid: number): Access => {
  if (client.uid !== undefined && (client.uid === 0 || client.uid === ownUid))
    return { uid: client.uid, rule: undefined, operations: allOperations, scope: undefined }
  const index = rules.findIndex(({ who }) => ("uid" in who ? who.uid === client.uid : who.gid === client.gid))
  const rule = rules[index]
  return rule === undefined
    ? { uid: client.uid, rule: undefined, operations: everybodysOperations, scope: undefined }
    : { uid: client.uid, rule: index + 1, operations: rule.operations, scope: rule.scope }
}
