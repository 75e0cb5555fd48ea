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
  readonly operations: ReadonlyArray<ServerOperation>
  /** What the rule narrows the client to. */
  readonly scope: Pkcs11Uri | undefined
}

/** `ownUid`: the user the service runs as. */
export const accessOf = (client: Client, rules: ReadonlyArray<AccessRule>, ownUid: number): Access => {
  if (client.uid !== undefined && (client.uid === 0 || client.uid === ownUid))
    return { uid: client.uid, operations: allOperations, scope: undefined }
  const rule = rules.find(({ who }) => ("uid" in who ? who.uid === client.uid : who.gid === client.gid))
  return rule === undefined
    ? { uid: client.uid, operations: everybodysOperations, scope: undefined }
    : { uid: client.uid, operations: rule.operations, scope: rule.scope }
}
