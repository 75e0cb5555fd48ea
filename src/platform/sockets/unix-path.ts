/**
 * Dials a UNIX socket by its path.
 *
 * Node 20 truncates a path that is too long, and would use another file. Source: unix(7), `sun_path`.
 */
import { connect, type NetConnectOpts, Socket } from "node:net"

/** sockaddr_un has 108 bytes, the last of them for the end. */
export const longestUnixPath = 107

/** Undefined: it fits. */
export const unixPathFault = (path: string): Error | undefined => {
  const size = Buffer.byteLength(path)
  if (size <= longestUnixPath) return undefined
  const text = `the path has ${size} bytes; the maximum is ${longestUnixPath}`
  return Object.assign(new Error(text), { code: "ENAMETOOLONG" })
}

/** As `connect` of Node; fails with ENAMETOOLONG if the path does not fit. */
export const dialUnix = (path: string, options: Pick<NetConnectOpts, "allowHalfOpen"> = {}): Socket => {
  const fault = unixPathFault(path)
  return fault === undefined ? connect({ path, ...options }) : new Socket().destroy(fault)
}
