/**
 * A virtual machine with a TPM: QEMU without KVM, and swtpm behind the TPM driver of the machine's kernel.
 *
 * Its disk is not written: what changes is in a file without a name, which its reboots do not end. Nothing stays running after `stop`,
 * and nothing when this process ends.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { find } from "../lib/run.mjs"
import { openAgent } from "./guest-agent.mjs"
import { connectLines } from "./json-lines.mjs"

/** Emulated on a loaded machine; a boot takes one to two minutes on an idle core. */
const bootMs = 1_200_000

/** This machine as the other sees it, over the network that QEMU plays. */
export const hostAddress = "10.0.2.2"

/** `dir` is created: for the state of the TPM and the console. `image`: `{ disk, kernel }` of image.mjs. */
export const bootMachine = async ({ image, dir, memoryMb, cores }) => {
  mkdirSync(dir, { recursive: true })
  // Paths of sockets are at most 107 bytes long.
  const sockets = mkdtempSync(join(tmpdir(), "tedge-vm-"))
  const state = join(dir, "tpm")
  mkdirSync(state)
  const consoleFile = join(dir, "console")
  const at = (name) => join(sockets, name)
  const swtpm = start("swtpm", [
    ...["socket", "--tpm2", "--tpmstate", `dir=${state}`, "--ctrl", `type=unixio,path=${at("tpm")}`, "--terminate"],
    ...["--pid", `file=${at("swtpm.pid")}`]
  ])
  // Written when it listens; a connection to see that would be taken for QEMU's.
  await until(() => existsSync(at("swtpm.pid")), "swtpm listens", swtpm.isAlive)
  const qemu = start("qemu-system-x86_64", [
    ...["-accel", "tcg", "-cpu", "max", "-m", `${memoryMb}`, "-smp", `${cores}`],
    ...["-display", "none", "-nodefaults", "-serial", `file:${consoleFile}`],
    ...["-kernel", image.kernel, "-append", "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1"],
    // The one disk whose driver is in Debian's kernel itself: no initial RAM disk is needed.
    ...["-drive", `file=${image.disk},if=none,id=disk,format=raw,snapshot=on`, "-device", "nvme,drive=disk,serial=1"],
    ...["-chardev", `socket,id=tpm,path=${at("tpm")}`, "-tpmdev", "emulator,id=tpm,chardev=tpm"],
    ...["-device", "tpm-crb,tpmdev=tpm"],
    ...["-device", "virtio-serial", "-chardev", `socket,id=agent,path=${at("agent")},server=on,wait=off`],
    ...["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
    ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,id=card"],
    ...["-qmp", `unix:${at("monitor")},server=on,wait=off`]
  ])
  const events = []
  let answered
  const monitor = await connectLines(
    at("monitor"),
    (value) => {
      if (value.event !== undefined) events.push(value.event)
      else answered?.(value)
    },
    qemu.isAlive
  )
  const tell = (execute, args) =>
    new Promise((resolve, reject) => {
      answered = ({ error, return: answer }) => {
        if (error !== undefined) reject(new Error(`${execute}: ${error.desc}`))
        else if (answer !== undefined) resolve(answer)
      }
      monitor.send({ execute, arguments: args })
    })
  await tell("qmp_capabilities")
  const agent = await openAgent(at("agent"), qemu.isAlive)

  const stop = async () => {
    agent.close()
    monitor.close()
    await Promise.all([qemu.end(), swtpm.end()])
    rmSync(sockets, { recursive: true, force: true })
  }
  try {
    await agent.ready(bootMs)
  } catch (error) {
    await stop()
    throw new Error(`${error.message}\n${qemu.said()}${lastOf(consoleFile)}`)
  }
  const exec = (argv, options) => {
    if (!qemu.isAlive()) throw new Error(`the machine ended\n${qemu.said()}${lastOf(consoleFile)}`)
    return agent.exec(argv, options)
  }
  return {
    exec,
    stop,
    onItsNetwork: (argv) => argv,
    console: () => readFileSync(consoleFile, "utf8"),
    /** The cable of its network. */
    plug: () => tell("set_link", { name: "card", up: true }),
    unplug: () => tell("set_link", { name: "card", up: false }),
    /** As the machine does it by itself (`systemctl reboot`), not by its reset button. Resolves when it is up again. */
    reboot: async () => {
      events.length = 0
      await agent.start(["systemctl", "reboot"])
      await until(() => events.includes("RESET"), "the machine was reset", qemu.isAlive)
      await agent.ready(bootMs)
    }
  }
}

const until = async (isTrue, what, isAlive) => {
  const startedAt = performance.now()
  while (!isTrue()) {
    if (!isAlive() || performance.now() - startedAt > bootMs) throw new Error(`this did not become true: ${what}`)
    await delay(100)
  }
}

const lastOf = (file) => {
  try {
    return readFileSync(file, "utf8").slice(-4000)
  } catch {
    return ""
  }
}

/**
 * A program that ends with this process, however this one ends (PR_SET_PDEATHSIG). It goes before other work: a machine that waits for its
 * turn exceeds the time limits of what is checked on it, 30 s to load a module for instance.
 */
const start = (command, args) => {
  const words = ["-n", "-5", "setpriv", "--pdeathsig", "KILL", find(command) ?? command, ...args]
  const child = spawn("nice", words, { stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      said = (said + text).slice(-4000)
    })
  const ended = new Promise((resolve) => {
    child.once("close", resolve)
    child.once("error", resolve)
  })
  return {
    isAlive: () => child.exitCode === null && child.signalCode === null,
    said: () => said,
    end: async () => {
      child.kill("SIGKILL")
      await ended
    }
  }
}
