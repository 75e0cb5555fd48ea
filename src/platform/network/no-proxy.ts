/**
 * Hosts reached without the proxy: `127.0.0.1,example.com,192.168.1.0/24`.
 *
 * A name matches itself and its subdomains, with or without a leading dot; an address itself; an address with prefix
 * length its network; `*` all. Other entries match nothing. Names are not resolved.
 */
import { BlockList, isIP, isIPv4 } from "node:net"

export const goesDirectly = (noProxy: string | undefined, host: string): boolean =>
  (noProxy ?? "")
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && means(entry, host.replace(/^\[|\]$/g, "").toLowerCase()))

const means = (entry: string, host: string): boolean => {
  if (entry === "*") return true
  if (isIP(host) !== 0) return holdsAddress(entry, host)
  const name = entry.replace(/^\./, "")
  return host === name || host.endsWith(`.${name}`)
}

const holdsAddress = (entry: string, address: string): boolean => {
  const [network = "", size, ...more] = entry.replace(/[[\]]/g, "").split("/")
  if (isIP(network) === 0 || more.length > 0) return false
  const list = new BlockList()
  const family = isIPv4(network) ? "ipv4" : "ipv6"
  const longest = family === "ipv4" ? 32 : 128
  const bits = size === undefined ? longest : /^\d{1,3}$/.test(size) ? Number(size) : -1
  if (bits < 0 || bits > longest) return false
  list.addSubnet(network, bits, family)
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6")
}
