/** Specs of the `tedge hsm` commands and of `tedge cert create-key-hsm`: words and texts only. */
import type { ArgumentSpec, CommandSpec, OptionSpec } from "../../command-line/command-spec.ts"

const pinOption: OptionSpec = {
  name: "pin",
  value: "PIN",
  summary: "User PIN value for logging into the PKCS#11 token.",
  secret: true
}

const idOption: OptionSpec = {
  name: "id",
  value: "ID",
  summary: "Key identifier (CKA_ID attribute), as hex digits.",
  details: ["Spaces and colons between the bytes are ignored."]
}

const jsonOption: OptionSpec = { name: "json", summary: "Print JSON instead of text" }

const tokenArgument = (summary: string): ArgumentSpec => ({ name: "TOKEN", optional: true, summary })

export const createKeyHsmSpec: CommandSpec = {
  name: "create-key-hsm",
  summary: "Generate a new keypair on the PKCS11 token and select it to be used.",
  details: [
    "Can be used to generate an RSA or an ECDSA keypair. When using RSA, `--bits` is used to set the size of the key, when using ECDSA, `--curve` is used.",
    "After the key is generated, tedge config is updated to use the new key using `device.key_uri` property. Depending on the selected cloud, we use `device.key_uri` setting for that cloud, e.g. `create-key-hsm c8y` will write to `c8y.device.key_uri`."
  ],
  options: [
    // Of thin-edge's newer create-key, for scripts written for it. A new key is always created, and a token never initialised
    // here, so `--force-new` and `--so-pin` have no effect.
    { name: "force-new", summary: "Create a new key. Nothing else is done without it, either", hidden: true },
    {
      name: "so-pin",
      value: "SO_PIN",
      summary: "Not used: tedge hsm init initialises a token",
      secret: true,
      hidden: true
    },
    { name: "token-label", value: "TOKEN_LABEL", summary: "The token, by its label", hidden: true },
    // Of thin-edge's document, in its words.
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
      choices: ["rsa", "ecdsa"],
      defaultValue: "ecdsa"
    },
    {
      name: "bits",
      value: "BITS",
      summary: "The size of the RSA keys in bits. Should only be used with --type rsa",
      choices: ["2048", "3072", "4096"],
      defaultValue: "2048"
    },
    {
      name: "curve",
      value: "CURVE",
      summary: "The curve (size) of the ECDSA key. Should only be used with --type ecdsa",
      choices: ["p256", "p384"],
      defaultValue: "p256"
    },
    {
      ...pinOption,
      details: [
        "This flag can be used to provide a PIN when creating a new key without needing to update tedge-config, which can be helpful when initializing keys on new tokens.",
        "Note that in contrast to the URI of the key, which will be written to tedge-config automatically when the keypair is created, PIN will not be written automatically and may be needed to written manually using tedge config set (if not using tedge-p11-server with the correct default PIN)."
      ]
    },
    {
      name: "outfile-pubkey",
      value: "OUTFILE_PUBKEY",
      summary: "Path where public key will be saved when a keypair is generated"
    }
  ],
  arguments: [
    {
      ...tokenArgument("The URI of the token where the keypair should be created."),
      details: [
        "If this argument is missing, a list of available initialized tokens will be shown. The token needs to be initialized to be able to generate keys."
      ]
    }
  ],
  cloudWord: true
}

export const hsmSpec: CommandSpec = {
  name: "hsm",
  summary: "Manage the tokens and keys of the Hardware Security Module",
  commands: [
    {
      name: "init",
      summary: "Initialize a token.",
      details: [
        "An initialised token is never initialised again, which would delete its keys. If it has the requested label, the command succeeds.",
        "Prints the URI of the token."
      ],
      options: [
        { name: "label", value: "LABEL", summary: "Label of the token, at most 32 bytes", defaultValue: "tedge" },
        {
          name: "so-pin",
          value: "SO_PIN",
          summary: "PIN of the security officer, who can reset the user PIN; prompted for if missing",
          secret: true
        },
        { ...pinOption, summary: "User PIN of the token; prompted for if missing" }
      ],
      arguments: [tokenArgument("The URI of the slot to initialise, as `tedge hsm list-tokens` shows it.")],
      examples: [{ says: "initialise the only empty slot", command: "tedge hsm init --label my-token" }]
    },
    {
      name: "list-tokens",
      summary: "List the tokens",
      options: [jsonOption],
      examples: [{ says: "the URIs of all tokens", command: "tedge hsm list-tokens --json" }]
    },
    {
      name: "list-keys",
      summary: "List the keys on a token.",
      details: [
        "Logs in if the token requires it to list private keys.",
        "Uses besides signing that a private key permits are listed after `Also:` (decrypt, unwrap, sign-recover, derive); not available over tedge-p11-server."
      ],
      options: [
        { name: "label", value: "LABEL", summary: "Only keys with this label (CKA_LABEL)" },
        idOption,
        pinOption,
        jsonOption
      ],
      arguments: [tokenArgument("The URI of the token.")],
      examples: [{ says: "the keys of the only token", command: "tedge hsm list-keys" }]
    },
    {
      ...createKeyHsmSpec,
      name: "create-key",
      examples: [{ says: "a P-256 key on the only token", command: "tedge hsm create-key --label my-key" }]
    },
    {
      name: "delete-key",
      summary: "Delete a keypair from a token.",
      details: [
        "Shows the key and asks for confirmation. Refuses a key that the settings of any cloud or profile use."
      ],
      options: [
        { name: "label", value: "LABEL", summary: "Label of the keypair (CKA_LABEL)" },
        idOption,
        pinOption,
        { name: "force", summary: "Do not ask for confirmation" }
      ],
      arguments: [tokenArgument("The URI of the key, or of the token it is on.")],
      examples: [{ says: "delete the keypair with the id 01", command: "tedge hsm delete-key --id 01" }]
    },
    {
      name: "change-pin",
      summary: "Change or reset the user PIN of a token.",
      details: [
        "Prompts for PINs that are not given, without echo. The stored `device.cryptoki.pin` is updated only if it is the PIN of this token."
      ],
      options: [
        { name: "new-pin", value: "NEW_PIN", summary: "The new user PIN", secret: true },
        { name: "current-pin", value: "CURRENT_PIN", summary: "The current user PIN", secret: true },
        { name: "reset", summary: "Set a new user PIN with the PIN of the security officer" },
        { name: "so-pin", value: "SO_PIN", summary: "PIN of the security officer, with --reset", secret: true }
      ],
      arguments: [tokenArgument("The URI of the token.")],
      examples: [
        { says: "change the user PIN", command: "tedge hsm change-pin" },
        { says: "reset it when it is locked", command: "tedge hsm change-pin --reset" }
      ]
    },
    {
      name: "clear-pin-latch",
      summary: "Allow refused PINs to be tried again.",
      details: [
        "A PIN that a token has refused is not retried, because tokens lock after a few attempts. Use this command if the configured PIN is correct."
      ],
      arguments: [tokenArgument("The URI of the token.")],
      examples: [{ says: "for the only token", command: "tedge hsm clear-pin-latch" }]
    },
    {
      name: "doctor",
      summary: "Diagnose why the device does not connect with its key.",
      details: [
        "Checks settings, module, tokens, login, key, signatures, certificate, cloud, clock, local broker, mapper and connection. Makes at most one PIN attempt, never with a PIN that was refused before. Exit code 1 if a check fails."
      ],
      options: [jsonOption],
      cloudWord: true,
      examples: [{ says: "all checks for Cumulocity", command: "tedge hsm doctor" }]
    }
  ]
}
