/**
 * A smart card in software: a PIV card (NIST SP 800-73-4) that OpenSC reads through pcscd and vpcd's reader.
 *
 * The reader dials us (its configuration names our port), so nothing listens on the network. pcscd has one socket for
 * the whole machine, so it needs root and must not be running.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"
import { type PivCardOptions, pivCard } from "./virtual-card-piv.ts"

export interface VirtualCard {
  readonly modulePath: string
  readonly env: Readonly<Record<string, string>>
  readonly cleanup: () => Promise<void>
}

type Card = (apdu: Buffer) => Buffer

/** What is missing on this machine; undefined: nothing. */
export const cardMissing = (): string | undefined => {
  if (process.getuid?.() !== 0) return "pcscd needs root"
  if (pcscdRuns()) return "a pcscd is running already"
  const missing = [...readerPaths, ...modulePaths, "/usr/sbin/pcscd"].filter((path) => !existsSync(path))
  const all = [readerPaths, modulePaths, ["/usr/sbin/pcscd"]]
  return all.every((paths) => paths.some((path) => existsSync(path))) ? undefined : `missing: ${missing.join(", ")}`
}

export const virtualCard = async (options: PivCardOptions): Promise<VirtualCard> => {
  const dir = makeTempDir()
  const card = pivCard(options)
  const sockets = new Set<Socket>()
  const listen = (port: number, answer: Card) =>
    new Promise<Server>((resolve, reject) => {
      const server = createServer((socket) => {
        sockets.add(socket)
        serve(socket, answer)
      })
      server.once("error", reject).listen(port, "127.0.0.1", () => resolve(server))
    })
  const { port, servers } = await pairOfReaders(listen, card)
  const pcscd = startPcscd(dir, port)
  const cleanup = async () => {
    await ended(pcscd)
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    removeTempDir(dir)
  }
  for (const startedAt = performance.now(); !existsSync(pcscdSocket) || sockets.size < servers.length; await pause(20))
    if (performance.now() - startedAt > 60_000) {
      await cleanup()
      throw new Error("pcscd did not start within a minute")
    }
  return { modulePath: here(modulePaths), env: { OPENSC_CONF: join(dir, "opensc.conf") }, cleanup }
}

/** The driver always has two slots, on neighbouring ports, and hangs or ends pcscd when one has no card: the second has one that knows nothing. */
const pairOfReaders = async (
  listen: (port: number, answer: Card) => Promise<Server>,
  card: Card
): Promise<{ readonly port: number; readonly servers: ReadonlyArray<Server> }> => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const first = await listen(port, card).catch(() => undefined)
    const second = await listen(port + 1, () => Buffer.of(0x6d, 0)).catch(() => undefined)
    if (first && second) return { port, servers: [first, second] }
    first?.close()
    second?.close()
  }
}

const pcscdSocket = "/run/pcscd/pcscd.comm"

/** One that was killed leaves its files behind. */
const pcscdRuns = (): boolean => {
  const file = "/run/pcscd/pcscd.pid"
  return existsSync(file) && existsSync(`/proc/${readFileSync(file, "utf8").trim()}`)
}

const machines = ["x86_64", "aarch64"]
const readerPaths = ["/usr/lib/pcsc/drivers/serial/libifdvpcd.so"]
const modulePaths = machines.map((machine) => `/usr/lib/${machine}-linux-gnu/opensc-pkcs11.so`)
const here = (paths: ReadonlyArray<string>): string => paths.find((path) => existsSync(path)) ?? ""

const startPcscd = (dir: string, port: number): ChildProcess => {
  const readers = join(dir, "readers")
  mkdirSync(readers)
  const lines = [
    'FRIENDLYNAME "Virtual PCD"',
    `DEVICENAME 127.0.0.1:0x${port.toString(16)}`,
    `LIBPATH ${readerPaths[0]}`,
    `CHANNELID 0x${port.toString(16)}`
  ]
  rmSync(pcscdSocket, { force: true })
  writeFileSync(join(readers, "vpcd"), `${lines.join("\n")}\n`)
  writeFileSync(join(dir, "opensc.conf"), "app default { card_drivers = PIV-II; }\n")
  // It aborts when it may open more files than a descriptor set holds. Where it asks polkit it refuses everybody, root
  // too, on a machine without a system D-Bus.
  const help = spawnSync("/usr/sbin/pcscd", ["--help"], { encoding: "utf8" })
  const polkit = `${help.stdout}${help.stderr}`.includes("--disable-polkit") ? "--disable-polkit" : ""
  const command = `ulimit -n 1024; exec /usr/sbin/pcscd --foreground ${polkit} --config ${readers}`
  return spawn("sh", ["-c", command], { stdio: "ignore" })
}

/** vpcd's protocol: two bytes of length, then a control byte or an APDU. */
export const serve = (socket: Socket, card: Card): void => {
  let rest = Buffer.alloc(0)
  const send = (data: Buffer) => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(data.length)
    socket.write(Buffer.concat([length, data]))
  }
  socket.on("error", () => undefined)
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
      const message = rest.subarray(2, 2 + rest.readUInt16BE())
      rest = rest.subarray(2 + message.length)
      if (message.length > 1) send(card(message))
      else if (message[0] === control.atr) send(atr)
    }
  })
}

/** Off, on and reset (0, 1, 2) want no answer. */
const control = { atr: 4 }
/** That of a YubiKey 5: OpenSC offers elliptic curves for cards it knows to have them. */
const atr = Buffer.from("3bfd1300008131fe158073c021c057597562694b657940", "hex")

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once("exit", () => resolve()).kill("SIGTERM")
  })
