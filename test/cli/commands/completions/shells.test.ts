/** The completions of bash, zsh and fish: each shell runs its script. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { executable } from "../../../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"

let dir: string

beforeAll(() => {
  dir = makeTempDir()
  mkdirSync(join(dir, "bin"))
  symlinkSync(executable("tedge"), join(dir, "bin", "tedge"))
  writeFileSync(join(dir, "tedge.toml"), tedgeToml)
  writeFileSync(join(dir, "a file.pem"), "")
  for (const shell of ["bash", "zsh", "fish"])
    writeFileSync(join(dir, `tedge.${shell}`), execFileSync(executable("tedge"), ["completions", shell]))
})
afterAll(() => removeTempDir(dir))

const tedgeToml = '[c8y]\nurl = "a"\nprofiles.prod.url = "b"\nprofiles.test.url = "c"\n[az.profiles.plant]\nurl = "d"\n'

const run = (shell: string, args: ReadonlyArray<string>): string => {
  const { HOME: _home, ...inherited } = process.env
  const env = { ...inherited, PATH: `${join(dir, "bin")}:${process.env.PATH}`, HOME: dir, TEDGE_CONFIG_DIR: dir }
  const { stdout, stderr, error } = spawnSync(shell, args, { env, cwd: dir, encoding: "utf8", timeout: 50_000 })
  expect([error, stderr]).toEqual([undefined, ""])
  return stdout
}

type Shell = "bash" | "zsh" | "fish"

/** Answers what is offered for each line: one start of the shell for all of them. */
type AskAll = (lines: ReadonlyArray<string>) => ReadonlyArray<string>

const mark = "----"

const answers = (stdout: string): ReadonlyArray<string> => stdout.split(`${mark}\n`).slice(1)

/** What readline does before it calls the function; it does so at a terminal only. */
const bash: AskAll = (lines) =>
  answers(
    run("bash", [
      ...["--norc", "--noprofile", "-c"],
      `source "$1"; shift; complete -p tedge > /dev/null || exit 1
       compopt() { [[ "$2" == default ]] && compgen -f; }
       for line; do
         COMP_LINE="$line"; COMP_POINT=\${#line}; COMP_WORDS=($line); [[ "$line" == *" " ]] && COMP_WORDS+=("")
         COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); echo ${mark}; _tedge; printf '%s\n' "\${COMPREPLY[@]}"
       done`,
      ...["bash", join(dir, "tedge.bash"), ...lines]
    ])
  )

/** A zsh at a pseudo terminal whose Tab key is pressed; `compadd` writes what it is told into a file. */
const zsh: AskAll = (lines) => {
  const inner = [
    "PS1=; autoload -Uz compinit; compinit -u -D",
    `source ${join(dir, "tedge.zsh")}`,
    `compadd() { local -a all; builtin compadd -O all "$@"; print -rl -- $all >> found; builtin compadd "$@" }`,
    "finish() { print -r -- done > finished; zle send-break }; zle -N finish; bindkey '^X' finish",
    "print ready"
  ].join("; ")
  const outer = `
    zmodload zsh/zpty; zpty inner zsh -f -i; zpty -w inner ${quoted(inner)}; zpty -r -m inner text '*ready*' || exit 1
    for line; do
      rm -f finished; : > found; zpty -w -n inner "$line"$'\t\x18'
      until [[ -e finished ]]; do sleep 0.02; zpty -r -t inner text; done
      print -r -- ${mark}; cat found
    done
    zpty -d inner`
  return answers(run("zsh", ["-f", "-c", outer, "zsh", ...lines]))
}

const fish: AskAll = (lines) =>
  answers(
    run("fish", [
      ...["--no-config", "-c"],
      `source ${join(dir, "tedge.fish")}; for line in $argv; echo ${mark}; complete -C "$line"; end`,
      ...lines
    ])
  )

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const shells: Readonly<Record<Shell, AskAll>> = { bash, zsh, fish }

/** What is offered, without what is said of it. */
const table: ReadonlyArray<readonly [what: string, line: string, words: ReadonlyArray<string>]> = [
  ["commands", "tedge con", ["config", "connect"]],
  ["the one command that fits", "tedge cert renew", ["renew"]],
  ["commands of a group", "tedge hsm c", ["change-pin", "clear-pin-latch", "create-key"]],
  ["options", "tedge connect c8y --test --o", ["--offline"]],
  ["no option that was given", "tedge connect c8y --test --te", []],
  ["keys of settings", "tedge config get device.cryptoki.p", ["device.cryptoki.pin"]],
  ["keys behind options", "tedge --config-dir . config set mqtt.bridge.b", ["mqtt.bridge.built_in"]],
  ["keys of a mapper", "tedge mapper config get az.u", ["az.url"]],
  ["keys of a mapper with a profile", "tedge mapper config get c8y.prod.u", ["c8y.prod.url"]],
  ["keys in a profile", "tedge config get c8y.profiles.prod.u", ["c8y.profiles.prod.url"]],
  ["what a setting may be", "tedge config set device.cryptoki.mode ", ["module", "off", "socket"]],
  ["true and false", "tedge config set mqtt.bridge.built_in t", ["true"]],
  ["what an option may be", "tedge cert create-key-hsm --type ", ["ecdsa", "rsa"]],
  ["log levels", "tedge --log-level w", ["warn"]],
  ["clouds", "tedge connect ", ["aws", "az", "c8y"]],
  ["the cloud at the end of a command", "tedge cert create a", ["aws", "az"]],
  ["a cloud that is a command", "tedge cert upload ", ["c8y"]],
  ["profiles of the cloud", "tedge connect c8y --profile ", ["prod", "test"]],
  ["profiles of a setting's cloud", "tedge config get c8y.url --profile p", ["prod"]],
  ["profiles of all clouds", "tedge config get --profile ", ["plant", "prod", "test"]],
  ["nothing where nothing can be known", "tedge cert create --device-id ", []]
]

const files = "tedge cert show --cert-path a"

describe.each(["bash", "zsh", "fish"] as const)("%s offers", (shell) => {
  let all: ReadonlyArray<string>
  beforeAll(() => {
    all = shells[shell]([...table.map(([, line]) => line), files])
  })

  const offered = (index: number): ReadonlyArray<string> =>
    (all[index] ?? "no answer")
      .split("\n")
      .map((found) => found.split("\t")[0]?.trimEnd() ?? "")
      .filter((word) => word !== "")
      .toSorted()

  it.each(table.map(([what, line, words], index) => [what, line, words, index] as const))(
    "%s: %s",
    (_what, _line, words, index) => {
      expect(offered(index)).toEqual(words)
    }
  )

  it("files where a path is wanted", () => {
    expect(offered(table.length).join()).toMatch(/a\\? file\.pem/)
  })
})

describe("bash, which breaks words at = and :", () => {
  it("gets only what is behind the last of them", () => {
    const [offered = ""] = bash(["tedge connect c8y --profile=p"])
    expect(offered.trim()).toBe("prod")
  })
})
