/** Hosts, with and without a port. IPv6 addresses are in brackets where a port may follow. */
import type { HostPort } from "./resolved-settings.ts"

/** A host name, an IPv4 or an IPv6 address; no scheme, port or path. */
export const isHost = (text: string): boolean => hostName.test(text) || isIp(unbracketed(text))

export const isIp = (text: string): boolean => isIpv4(text) || isIpv6(text)

/** Returns the part that is invalid, if any. */
export const parseHostPort = (text: string, defaultPort: number): HostPort | "host" | "port" => {
  if (isIpv6(text)) return { host: text, port: defaultPort }
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text)
  const host = unbracketed(parts?.[1] ?? "")
  if (parts === null || !isHost(host)) return "host"
  if (parts[2] === undefined) return { host, port: defaultPort }
  const port = /^\d{1,5}$/.test(parts[2]) ? Number(parts[2]) : 0
  return port >= 1 && port <= 65535 ? { host, port } : "port"
}

export const printHostPort = ({ host, port }: HostPort): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** RFC 1123, 2.1, with underscores, which occur in the field. */
const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/

const unbracketed = (text: string): string => (/^\[[^[\]]*:[^[\]]*\]$/.test(text) ? text.slice(1, -1) : text)

const isIpv4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((octet) => Number(octet) <= 255)

/** Uses URL: loading node:net would cost the fast front end more than the rest of this folder. */
const isIpv6 = (text: string): boolean =>
  text.includes(":") && /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]/`)
