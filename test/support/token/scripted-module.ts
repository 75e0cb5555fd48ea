/**
 * A PKCS#11 module that fails on command: it wraps a real one, and a test tells it call by call what to do.
 *
 * The module is compiled once; each `scriptedModule` has a copy in a directory of its own, beside the files that
 * script it, so it needs nothing from the environment but what the real module needs. See
 * `test/fixtures/scripted-module/script.h`.
 */
import { execFileSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"

/** What a function does instead of, or before, the real one. */
export interface ScriptedCall {
  /** A CKR code to answer with; absent or CKR_OK: the real function runs. */
  readonly code?: CkrName | number
  readonly delayMs?: number
  /** Never returns; only SIGKILL ends it. `spin` burns the processor meanwhile. */
  readonly hang?: boolean | "spin"
  readonly crash?: "segv" | "abort" | "exit"
  /** C_Sign only: a signature with one bit wrong, or one byte short. */
  readonly signature?: "corrupt" | "truncate"
  /** Closes every descriptor of the process. */
  readonly closeDescriptors?: boolean
  readonly stdout?: string
  readonly stderr?: string
  /** How often; counted over all processes that load the module. Default: always. */
  readonly times?: number
  /** Calls let through first. */
  readonly skip?: number
}

/** How a token looks, by its real label. */
export interface ScriptedToken {
  readonly hidden?: boolean
  /** The slot it is seen in. */
  readonly slot?: number
  readonly setFlags?: number
  readonly clearFlags?: number
  /** Another serial: an evil twin. */
  readonly serial?: string
  /** Of another make: what is done for SoftHSM alone is not done for it. */
  readonly manufacturer?: string
  readonly model?: string
  /** Lists no mechanism for key pairs. */
  readonly makesNoKeys?: boolean
}

export interface ScriptedModule {
  readonly modulePath: string
  readonly dir: string
  /** Replaces what was scripted for these functions; the others stay. */
  readonly set: (calls: Readonly<Record<FunctionName, ScriptedCall>>) => void
  /** Replaces how a token looks; `*` means every token. */
  readonly setToken: (label: string, token: ScriptedToken) => void
  /** What all objects of a class say of an attribute: a code, or another value. Replaces what was scripted for it. */
  readonly setAttribute: (
    of: { readonly object: "certificate" | "public" | "private"; readonly type: number },
    says: { readonly code: CkrName } | { readonly value: Uint8Array }
  ) => void
  /** Pulls the token out: its sessions end and its slot is empty. */
  readonly unplug: (label: string) => void
  /** Puts it back, perhaps in another slot. */
  readonly plug: (label: string, slot?: number) => void
  /** Forgets every rule; the counts stay. */
  readonly reset: () => void
  /** How often a function was called since the start, by all processes. */
  readonly calls: (name: FunctionName) => number
  /** Process ids that called the module, in order of their first call. */
  readonly processes: () => ReadonlyArray<number>
  readonly cleanup: () => void
}

/** `C_Sign` and the like; `module.c` lists those that can be scripted. */
export type FunctionName = `C_${string}`

/** Wraps the module at `real`. Call `cleanup` at the end. */
export const scriptedModule = (real: string): ScriptedModule => {
  const dir = makeTempDir()
  const modulePath = join(dir, "scripted-module.so")
  copyFileSync(compiledModule(), modulePath)
  writeFileSync(join(dir, "real"), `${real}\n`)
  const callRules = new Map<string, string>()
  const attributeRules = new Map<string, string>()
  const tokens = new Map<string, ScriptedToken>()
  const epochs = new Map<string, number>()
  let lastId = 0
  const write = () => {
    const tokenRules = [...tokens].map(([label, token]) => tokenRule(label, token, epochs.get(label) ?? 0))
    const lines = [...callRules.values(), ...attributeRules.values(), ...tokenRules].map((line) => `${line}\n`)
    writeFileSync(join(dir, "control.new"), lines.join(""))
    renameSync(join(dir, "control.new"), join(dir, "control"))
  }
  const setToken = (label: string, token: ScriptedToken) => {
    tokens.set(label, token)
    write()
  }
  const callLines = (): ReadonlyArray<ReadonlyArray<string>> => {
    const file = join(dir, "calls")
    const text = existsSync(file) ? readFileSync(file, "utf8") : ""
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" "))
  }
  return {
    modulePath,
    dir,
    set: (calls) => {
      for (const [name, call] of Object.entries(calls)) callRules.set(name, callRule(name, ++lastId, call))
      write()
    },
    setToken,
    setAttribute: ({ object, type }, says) => {
      const name = `${objectClasses[object]}/${type.toString(16)}`
      const line = "code" in says ? { code: ckr[says.code] } : { value: Buffer.from(says.value).toString("hex") }
      attributeRules.set(name, ruleLine("attribute", encodeURIComponent(name), line))
      write()
    },
    unplug: (label) => {
      epochs.set(label, (epochs.get(label) ?? 0) + 1)
      setToken(label, { ...tokens.get(label), hidden: true })
    },
    plug: (label, slot) =>
      setToken(label, { ...tokens.get(label), hidden: false, ...(slot === undefined ? {} : { slot }) }),
    reset: () => {
      callRules.clear()
      attributeRules.clear()
      tokens.clear()
      write()
    },
    calls: (name) => callLines().filter(([called]) => called === name).length,
    processes: () => [...new Set(callLines().map(([, , pid]) => Number(pid)))],
    cleanup: () => removeTempDir(dir)
  }
}

/** CKO_… */
const objectClasses = { certificate: 1, public: 2, private: 3 }

const callRule = (name: string, id: number, call: ScriptedCall): string => {
  const code = typeof call.code === "string" ? ckr[call.code] : call.code
  const action =
    call.hang === "spin"
      ? "spin"
      : call.hang
        ? "hang"
        : (call.crash ?? call.signature ?? (call.closeDescriptors ? "close-fds" : undefined))
  return ruleLine("call", name, {
    id,
    skip: call.skip,
    times: call.times,
    delay: call.delayMs,
    code,
    do: action,
    stdout: call.stdout,
    stderr: call.stderr
  })
}

const tokenRule = (label: string, token: ScriptedToken, epoch: number): string =>
  ruleLine("token", label === "*" ? label : encodeURIComponent(label), {
    hidden: token.hidden === true ? 1 : 0,
    epoch,
    slot: token.slot,
    "set-flags": token.setFlags,
    "clear-flags": token.clearFlags,
    serial: token.serial,
    manufacturer: token.manufacturer,
    model: token.model,
    "no-keygen": token.makesNoKeys === true ? 1 : undefined
  })

const ruleLine = (kind: string, name: string, values: Readonly<Record<string, string | number | undefined>>): string =>
  [
    kind,
    name,
    ...Object.entries(values).flatMap(([key, value]) =>
      value === undefined ? [] : `${key}=${encodeURIComponent(value)}`
    )
  ].join(" ")

/** Compiles the fixture unless it is newer than its sources. Two test processes may do it at once. */
const compiledModule = (): string => {
  const root = join(import.meta.dirname, "../../..")
  const sources = join(root, "test/fixtures/scripted-module")
  const target = join(root, "dist/test/scripted-module.so")
  const files = readdirSync(sources).map((file) => join(sources, file))
  if (existsSync(target) && files.every((file) => statSync(file).mtimeMs < statSync(target).mtimeMs)) return target
  mkdirSync(join(root, "dist/test"), { recursive: true })
  const made = `${target}.${process.pid}`
  const flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror"]
  const headers = join(root, "node_modules/pkcs11js/includes")
  const inputs = files.filter((file) => file.endsWith(".c"))
  execFileSync(process.env.CC ?? "cc", [...flags, `-I${headers}`, "-o", made, ...inputs, "-ldl"])
  renameSync(made, target)
  return target
}

/** Codes tests script by name (PKCS#11 2.40, pkcs11t.h). */
export const ckr = {
  CKR_OK: 0x00,
  CKR_HOST_MEMORY: 0x02,
  CKR_SLOT_ID_INVALID: 0x03,
  CKR_GENERAL_ERROR: 0x05,
  CKR_FUNCTION_FAILED: 0x06,
  CKR_ARGUMENTS_BAD: 0x07,
  CKR_ATTRIBUTE_TYPE_INVALID: 0x12,
  CKR_ATTRIBUTE_VALUE_INVALID: 0x13,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_MEMORY: 0x31,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_FUNCTION_NOT_SUPPORTED: 0x54,
  CKR_KEY_HANDLE_INVALID: 0x60,
  CKR_MECHANISM_INVALID: 0x70,
  CKR_OBJECT_HANDLE_INVALID: 0x82,
  CKR_OPERATION_ACTIVE: 0x90,
  CKR_OPERATION_NOT_INITIALIZED: 0x91,
  CKR_PIN_INCORRECT: 0xa0,
  CKR_PIN_INVALID: 0xa1,
  CKR_PIN_LEN_RANGE: 0xa2,
  CKR_PIN_EXPIRED: 0xa3,
  CKR_PIN_LOCKED: 0xa4,
  CKR_SESSION_CLOSED: 0xb0,
  CKR_SESSION_COUNT: 0xb1,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_SESSION_READ_ONLY: 0xb5,
  CKR_TEMPLATE_INCONSISTENT: 0xd1,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_TOKEN_NOT_RECOGNIZED: 0xe1,
  CKR_TOKEN_WRITE_PROTECTED: 0xe2,
  CKR_USER_ALREADY_LOGGED_IN: 0x100,
  CKR_USER_NOT_LOGGED_IN: 0x101,
  CKR_USER_PIN_NOT_INITIALIZED: 0x102,
  CKR_BUFFER_TOO_SMALL: 0x150,
  CKR_FUNCTION_REJECTED: 0x200,
  CKR_CRYPTOKI_NOT_INITIALIZED: 0x190,
  CKR_CRYPTOKI_ALREADY_INITIALIZED: 0x191
} as const

export type CkrName = keyof typeof ckr
