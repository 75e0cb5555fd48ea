/** Service managers of the system: what system.toml may say, and commands that are really run. */

import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { beforeEach, describe, expect, it, vi } from "vitest"
import { commandServices } from "../../../../src/actors/connect/services/command-services.ts"
import type { ServiceManager } from "../../../../src/actors/connect/services/service-manager.ts"
import { readInitCommands, systemdCommands } from "../../../../src/actors/connect/services/system-toml.ts"
import { runCommand } from "../../../../src/platform/process/run-command.ts"
import { signal as sendSignal } from "../../../support/signal.ts"
import { tempDir } from "../../../support/temp-dir.ts"

let dir: string
beforeEach(() => {
  dir = tempDir()
})

const script = (body: string): string => {
  const path = join(dir, "ctl")
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

const init = (changes: Record<string, string | undefined> = {}): void => {
  const ctl = join(dir, "ctl")
  const table: Record<string, string | undefined> = {
    name: '"runit"',
    is_available: `["${ctl}", "available"]`,
    restart: `["${ctl}", "restart", "{}"]`,
    stop: `["${ctl}", "stop", "{}"]`,
    start: `["${ctl}", "start", "{}"]`,
    enable: `["${ctl}", "enable", "{}"]`,
    disable: `["${ctl}", "disable", "{}"]`,
    is_active: `["${ctl}", "is_active", "/sv/{}.d"]`,
    ...changes
  }
  const rows = Object.entries(table).flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${value}`]))
  writeFileSync(join(dir, "system.toml"), `user = "tedge"\n[init]\n${rows.join("\n")}\n`)
}

const open = async (): Promise<ServiceManager> => {
  const commands = await Effect.runPromise(readInitCommands(dir))
  if (commands === undefined) throw new Error("there is no [init]")
  return commandServices(commands)
}

const refusal = (effect: Effect.Effect<unknown, unknown>) => Effect.runPromise(Effect.flip(effect))

describe("variables for services of others", () => {
  it("are set in a file beside the unit where systemd is the manager, which is then reloaded the way it is run", async () => {
    const said = join(dir, "said")
    const ctl = script(`echo "$@" >> ${said}`)
    init({ name: '"systemd"', restart: `["${ctl}", "--quiet", "restart", "{}"]` })
    const commands = await Effect.runPromise(readInitCommands(dir))
    if (commands === undefined) throw new Error("there is no [init]")
    const { variables } = commandServices(commands, join(dir, "units"))
    if (typeof variables !== "object") throw new Error(`not in a file: ${variables}`)
    expect(variables.path("tedge-mapper-c8y@prod")).toBe(
      join(dir, "units", "tedge-mapper-c8y@prod.service.d", "tedge-hsm.conf")
    )
    await Effect.runPromise(variables.reload)
    expect(readFileSync(said, "utf8")).toBe("--quiet daemon-reload\n")
  })

  it("are for the administrator where system.toml names another manager", async () => {
    script("exit 0")
    init()
    expect((await open()).variables).toBe("byHand")
  })
})

describe("the process of a service", () => {
  it("is its main process where systemd is the manager, and not known of a service that does not run", async () => {
    const ctl = join(dir, "systemctl")
    writeFileSync(
      ctl,
      '#!/bin/sh\ncase "$*" in "show --property=MainPID svc") echo MainPID=4711;; *) echo MainPID=0;; esac\n'
    )
    chmodSync(ctl, 0o755)
    vi.stubEnv("PATH", `${dir}:${process.env.PATH}`)
    const { process: processOf } = commandServices(systemdCommands)
    expect(await Effect.runPromise(Effect.all([processOf("svc"), processOf("stopped")]))).toEqual([4711, undefined])
    vi.unstubAllEnvs()
  })

  it("is not known of other managers", async () => {
    script("exit 0")
    init()
    expect(await Effect.runPromise((await open()).process("svc"))).toBeUndefined()
  })
})

describe("[init] in system.toml", () => {
  it("is not needed", async () => {
    expect(await Effect.runPromise(readInitCommands(dir))).toBeUndefined()
    writeFileSync(join(dir, "system.toml"), 'user = "tedge"\n')
    expect(await Effect.runPromise(readInitCommands(dir))).toBeUndefined()
  })

  it("needs no start: restart does", async () => {
    init({ start: undefined })
    expect((await Effect.runPromise(readInitCommands(dir)))?.commands.start).toContain("restart")
  })

  it.each([
    [{ stop: undefined }, "missing field 'stop'"],
    [{ name: undefined }, "missing field 'name'"],
    [{ reload: '["x", "{}"]' }, "unknown field 'reload'"],
    [{ start: '["x"]' }, "'start': A placeholder '{}' is missing"],
    [{ enable: "[]" }, "'enable': Requires 1 or more arguments"],
    [{ is_available: "[]" }, "'is_available': Requires 1 or more arguments"],
    [{ stop: '"x {}"' }, "'stop': must be a list of strings"],
    [{ name: "1" }, "'name': must be a string"],
    [{ stop: '["x' }, "line "]
  ])("is refused when it is wrong: %j", async (changes, detail) => {
    init(changes)
    expect(await refusal(readInitCommands(dir))).toMatchObject({
      _tag: "SystemFileInvalid",
      path: join(dir, "system.toml"),
      detail: expect.stringContaining(detail)
    })
  })
})

describe("the commands of a service manager", () => {
  it("get the service's name wherever the braces stand", async () => {
    script(`echo "$@" >> ${dir}/calls`)
    init()
    const services = await open()
    await Effect.runPromise(
      Effect.all([
        services.checkAvailable,
        services.start("tedge-mapper-c8y@prod"),
        services.isActive("mosquitto"),
        services.disable("mosquitto")
      ])
    )
    expect(readFileSync(join(dir, "calls"), "utf8").trim().split("\n")).toEqual([
      "available",
      "start tedge-mapper-c8y@prod",
      "is_active /sv/mosquitto.d",
      "disable mosquitto"
    ])
    expect(services.name).toBe("runit")
  })

  it("are reported with exit code and stderr if they fail", async () => {
    script("echo 'unit not found' >&2; exit 5")
    init()
    const services = await open()
    expect(await refusal(services.start("x"))).toMatchObject({
      _tag: "ServiceCommandFailed",
      reason: "exit",
      status: "5",
      output: "unit not found\n"
    })
    expect(await refusal(services.checkAvailable)).toMatchObject({ _tag: "ServiceManagerUnavailable", name: "runit" })
  })

  it("say inactive with any exit code", async () => {
    script("exit 3")
    init()
    expect(await Effect.runPromise((await open()).isActive("x"))).toBe(false)
  })

  it("are distinguished when they are missing or killed", async () => {
    init()
    const services = await open()
    expect(await refusal(services.start("x"))).toMatchObject({ reason: "notFound" })
    expect(await refusal(services.isActive("x"))).toMatchObject({ reason: "notFound" })
    script("kill -9 $$")
    expect(await refusal(services.stop("x"))).toMatchObject({ reason: "signal", status: "SIGKILL" })
  })

  it("are systemd's where nothing is configured", () => {
    expect(systemdCommands.commands.is_active).toEqual(["/bin/systemctl", "is-active", "{}"])
  })
})

describe("running a command", () => {
  it("ends it when it takes too long", async () => {
    expect(await Effect.runPromise(runCommand(["sleep", "60"], 50))).toMatchObject({ kind: "timedOut" })
  })

  it("does not wait for what it left running", async () => {
    const path = script("sleep 60 & echo $! > $0.pid; exit 0")
    expect(await Effect.runPromise(runCommand([path], 60_000))).toMatchObject({ kind: "exited", code: 0 })
    sendSignal(Number(readFileSync(`${path}.pid`, "utf8")), "SIGKILL")
  })

  it("keeps the end of what it printed", async () => {
    const path = script("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; echo the end >&2; exit 1")
    const end = await Effect.runPromise(runCommand([path], 60_000))
    expect(end).toMatchObject({ kind: "exited", code: 1 })
    expect("stderr" in end && [end.stderr.length <= 4000, end.stderr.endsWith("the end\n")]).toEqual([true, true])
  })

  it("is ended with its asker", async () => {
    const path = script(`trap 'touch ${dir}/ended; exit' TERM; touch ${dir}/started; while :; do sleep 0.02; done`)
    const controller = new AbortController()
    const running = Effect.runPromise(runCommand([path], 60_000), { signal: controller.signal }).catch(() => undefined)
    await eventually(() => existsSync(join(dir, "started")))
    controller.abort()
    await running
    await eventually(() => existsSync(join(dir, "ended")))
  })
})

const eventually = async (done: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 5000 && !done(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(done()).toBe(true)
}
