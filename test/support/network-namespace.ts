/** Network namespaces that are joined by a cable. Needs root, unshare, nsenter, ip. */
import { execFileSync, spawn } from "node:child_process"

export interface NetworkNamespace {
  readonly pid: number
  /** What runs a command in it. */
  readonly enter: readonly [string, ...ReadonlyArray<string>]
  readonly ip: (...args: ReadonlyArray<string>) => void
  readonly end: () => void
}

export const mayUnshareNetwork = (): boolean => {
  try {
    execFileSync("unshare", ["-n", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], {
      stdio: "ignore"
    })
    return true
  } catch {
    console.warn("skipped: no network namespace can be made here (needs root, unshare, ip)")
    return false
  }
}

/** It lives until `end`. */
export const networkNamespace = async (): Promise<NetworkNamespace> => {
  const holder = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up; echo ready; exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((resolve) => holder.stdout.once("data", resolve))
  const pid = holder.pid ?? 0
  const enter = ["nsenter", `--net=/proc/${pid}/ns/net`] as const
  return {
    pid,
    enter,
    ip: (...args) => void execFileSync(enter[0], [enter[1], "ip", ...args], { stdio: "ignore" }),
    end: () => void holder.kill("SIGKILL")
  }
}
