import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type CommandSpec, globalOptions, type Program } from "../../../src/cli/command-line/command-spec.ts"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { answerHelpOrVersion, interfaceVersion } from "../../../src/cli/command-line/help-and-version.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { p11ServerProgram } from "../../../src/cli/services/p11-server/p11-server-spec.ts"

const golden = (name: string): string => readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8")

const answer = (program: Program, ...words: ReadonlyArray<string>) =>
  answerHelpOrVersion(program, readWords(program, words))

const help = (program: Program, ...words: ReadonlyArray<string>): string => answer(program, ...words)?.text ?? ""

/** As the original describes it; it has an argument, a cloud word and options of every kind. */
const createKeyHsm: CommandSpec = {
  name: "create-key-hsm",
  summary: "Generate a new keypair on the PKCS11 token and select it to be used.",
  details: [
    "Can be used to generate an RSA or an ECDSA keypair. When using RSA, `--bits` is used to set the size of the key, when using ECDSA, `--curve` is used.",
    "After the key is generated, tedge config is updated to use the new key using `device.key_uri` property. Depending on the selected cloud, we use `device.key_uri` setting for that cloud, e.g. `create-key-hsm c8y` will write to `c8y.device.key_uri`."
  ],
  cloudWord: true,
  arguments: [
    {
      name: "TOKEN",
      optional: true,
      summary: "The URI of the token where the keypair should be created.",
      details: [
        "If this argument is missing, a list of available initialized tokens will be shown. The token needs to be initialized to be able to generate keys."
      ]
    }
  ],
  options: [
    {
      name: "label",
      value: "LABEL",
      summary: "Human readable description (CKA_LABEL attribute) for the key",
      defaultValue: "tedge"
    },
    {
      name: "id",
      value: "ID",
      summary: "Key identifier for the keypair (CKA_ID attribute).",
      details: [
        "If provided and no object exists on the token with the same ID, this will be the ID of the new keypair. If an object with this ID already exists, the operation will return an error. If not provided, a random ID will be generated and used by the keypair.",
        'The id shall be provided as a sequence of hex digits without `0x` prefix, optionally separated by spaces, e.g. `--id 010203` or `-id "01 02 03"`.'
      ]
    },
    {
      name: "type",
      value: "TYPE",
      summary: "The type of the key",
      defaultValue: "ecdsa",
      choices: ["rsa", "ecdsa"]
    },
    {
      name: "bits",
      value: "BITS",
      summary: "The size of the RSA keys in bits. Should only be used with --type rsa",
      defaultValue: "2048",
      choices: ["2048", "3072", "4096"]
    },
    {
      name: "curve",
      value: "CURVE",
      summary: "The curve (size) of the ECDSA key. Should only be used with --type ecdsa",
      defaultValue: "p256",
      choices: ["p256", "p384"]
    },
    {
      name: "pin",
      value: "PIN",
      summary: "User PIN value for logging into the PKCS#11 token.",
      details: [
        "This flag can be used to provide a PIN when creating a new key without needing to update tedge-config, which can be helpful when initializing keys on new tokens.",
        "Note that in contrast to the URI of the key, which will be written to tedge-config automatically when the keypair is created, PIN will not be written automatically and may be needed to written manually using tedge config set (if not using tedge-p11-server with the correct default PIN)."
      ],
      secret: true
    },
    {
      name: "outfile-pubkey",
      value: "OUTFILE_PUBKEY",
      summary: "Path where public key will be saved when a keypair is generated"
    }
  ]
}

const withCreateKey: Program = {
  version: "0",
  globals: globalOptions,
  root: {
    name: "tedge",
    summary: "",
    commands: [{ name: "cert", summary: "Create and manage device certificate", commands: [createKeyHsm] }]
  }
}

describe("help", () => {
  it("prints the options of tedge-p11-server to the letter of its documentation, then ours", () => {
    const [documented = "", standard = ""] = golden("tedge-p11-server-help.txt").split(/(?= {2}-h, --help)/)
    const printed = help(p11ServerProgram, "--help")
    expect(printed.startsWith(documented)).toBe(true)
    expect(printed.endsWith(standard)).toBe(true)
    expect(printed.slice(documented.length, -standard.length)).toMatch(/^ {6}--pin-file <FILE>\n/)
  })

  it("prints a command with argument, cloud word and choices as the guide shows it", () => {
    expect(help(withCreateKey, "cert", "create-key-hsm", "--help")).toBe(golden("create-key-hsm-help.txt"))
  })

  it("is the same for `help CMD` and `CMD --help`", () => {
    expect(help(withCreateKey, "help", "cert", "create-key-hsm")).toBe(golden("create-key-hsm-help.txt"))
    expect(help(withCreateKey, "cert", "help", "create-key-hsm")).toBe(golden("create-key-hsm-help.txt"))
  })

  it("describes the cloud word with its profile", () => {
    expect(help(withCreateKey, "cert", "create-key-hsm", "c8y", "-h")).toContain(
      "Usage: tedge cert create-key-hsm c8y [OPTIONS]\n\nOptions:\n"
    )
  })

  it("is one line per option with -h, defaults, environment and possible values included", () => {
    const lines = help(p11ServerProgram, "-h").split("\n")
    expect(lines).toContain(
      "      --uri <URI>                  A URI of the token/object to use [env: TEDGE_DEVICE_CRYPTOKI_URI]"
    )
    expect(lines).toContain("  -h, --help                       Print help (see more with '--help')")
  })

  it("puts the texts under the labels when a column would be too narrow", () => {
    const long = {
      ...createKeyHsm,
      options: [{ name: "a-rather-long-name-of-an-option", value: "A_RATHER_LONG_VALUE", summary: "x".repeat(80) }]
    }
    const program = { ...withCreateKey, root: { ...withCreateKey.root, commands: [long] } }
    expect(help(program, "create-key-hsm", "-h")).toContain(
      `      --a-rather-long-name-of-an-option <A_RATHER_LONG_VALUE>\n          ${"x".repeat(80)}\n`
    )
  })

  it("names the whole path in the usage and shows examples", () => {
    const text = help(tedgeProgram, "config", "get", "--help")
    expect(text).toContain("Usage: tedge config get [OPTIONS] <KEY>")
    expect(text).toContain("Examples:\n  # the device's id\n  tedge config get device.id\n")
  })

  it("answers the version of thin-edge's interface that scripts compare, with ours behind it", () => {
    const text = "tedge 2.0.1+tedge-actors.0.0.0-test\n"
    expect(answer(tedgeProgram, "-V")).toEqual({ stream: "stdout", text, code: 0 })
    expect(answer(tedgeProgram, "config", "--version")?.text).toBe(text)
    // Semantic Versioning 2.0.0, the expression of its FAQ, in short.
    for (const ours of ["0.1.0", "1.0.0-rc.1", "1.0.0+build 5", "1.0~rc1-2"])
      expect(interfaceVersion(ours)).toMatch(/^\d+\.\d+\.\d+\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/)
  })

  it("takes --help after -- for a value", () => {
    expect(answer(tedgeProgram, "config", "get", "--", "--help")).toBeUndefined()
  })
})
