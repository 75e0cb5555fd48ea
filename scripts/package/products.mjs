/**
 * The Debian packages: what is in each, and how it gets on with the others.
 *
 * Each is complete by itself, so that one file is one command to install; docs/decisions/0017 says why.
 */

/** Version of thin-edge.io whose tedge-p11-server ours takes the place of. */
const thinEdgeVersion = "2.0.1"

const node = "nodejs (>= 20.19) | tedge-actors-node (>= 20.19)"

/**
 * `programs`: command in /usr/bin -> bundle. `inside`: programs that only others of the package start.
 * `editsMosquitto`: its scripts put our directory into mosquitto's file. `bundles`: those of dist/ that the programs load. `owns`: whether a file of packaging/ belongs to the package.
 */
export const products = [
  {
    name: "tedge-actors",
    summary: "thin-edge.io cloud connection with the key in a PKCS#11 token",
    description: [
      "Connects a thin-edge.io device to Cumulocity, Azure IoT or AWS IoT with its private key in a PKCS#11 token: a TPM 2.0, a smart card or USB key, OP-TEE, SoftHSM2. The key never leaves the token.",
      "This package has the command line tool tedge, the bridge between the local MQTT broker and the cloud, and the signing service tedge-p11-server. It takes the place of thin-edge.io's own packages."
    ],
    programs: { tedge: "tedge", "tedge-mapper": "tedge-mapper", "tedge-p11-server": "tedge-p11-server" },
    inside: {},
    bundles: [
      "tedge",
      "tedge-main",
      "tedge-mapper",
      "tedge-p11-server",
      "service-runner",
      "line-refusal",
      "status-page",
      "telemetry",
      "token-host"
    ],
    addons: ["tls", "unix"],
    owns: (file) => !/^tedge-bridge-/.test(file),
    editsMosquitto: true,
    manuals: [
      { program: "tedge", section: 1, seeAlso: ["tedge-mapper(8)", "tedge-p11-server(8)"] },
      { program: "tedge-mapper", section: 8, seeAlso: ["tedge-connect(1)", "tedge-p11-server(8)"] },
      { program: "tedge-p11-server", section: 8, seeAlso: ["tedge-hsm(1)", "tedge-mapper(8)"] }
    ],
    completions: "tedge",
    fields: {
      Depends: [node, "passwd"],
      Recommends: ["mosquitto", "ca-certificates"],
      Suggests: ["softhsm2", "libtpm2-pkcs11-1", "opensc-pkcs11", "pcscd"],
      Provides: [`tedge-p11-server (= ${thinEdgeVersion})`],
      Conflicts: [
        ...["tedge", "tedge-mapper", "tedge-agent", "tedge-p11-server"],
        ...["tedge-actors-bridge", "tedge-actors-p11-server"]
      ],
      Replaces: ["tedge", "tedge-mapper", "tedge-p11-server", "tedge-actors-bridge", "tedge-actors-p11-server"]
    }
  },
  {
    name: "tedge-actors-p11-server",
    summary: "PKCS#11 signing service for thin-edge.io",
    description: [
      "Signs for thin-edge.io over a UNIX socket with private keys in PKCS#11 tokens. Speaks the protocol of thin-edge.io's own tedge-p11-server and takes its place under the same unit, socket and settings; everything else of thin-edge.io stays.",
      "A wrong PIN is tried once, a token that was pulled out is used again when it is back, and rules say who may do what."
    ],
    programs: { "tedge-p11-server": "tedge-p11-server" },
    inside: {},
    bundles: ["tedge-p11-server", "line-refusal", "telemetry", "token-host"],
    addons: ["unix"],
    owns: (file) => !/^tedge-(mapper|bridge)-/.test(file),
    manuals: [{ program: "tedge-p11-server", section: 8, seeAlso: [] }],
    fields: {
      Depends: [node, "passwd"],
      Suggests: ["softhsm2", "libtpm2-pkcs11-1", "opensc-pkcs11", "pcscd"],
      Provides: [`tedge-p11-server (= ${thinEdgeVersion})`],
      Conflicts: ["tedge-p11-server", "tedge-actors"],
      Replaces: ["tedge-p11-server", "tedge-actors"]
    }
  },
  {
    name: "tedge-actors-bridge",
    summary: "cloud bridge with the key in a token, beside thin-edge.io",
    description: [
      "Carries the messages of a thin-edge.io device to the cloud and back with the private key in a PKCS#11 token, while the mapper and the agent of thin-edge.io go on with their work.",
      "The commands are tedge-hsm and tedge-hsm-bridge: nothing here has the name of a program of thin-edge.io."
    ],
    programs: { "tedge-hsm": "tedge", "tedge-hsm-bridge": "tedge-mapper" },
    inside: { tedge: "tedge", "tedge-mapper": "tedge-mapper" },
    bundles: [
      "tedge",
      "tedge-main",
      "tedge-mapper",
      "service-runner",
      "line-refusal",
      "status-page",
      "telemetry",
      "token-host"
    ],
    addons: ["tls", "unix"],
    owns: (file) => !/^tedge-(mapper|p11-server)/.test(file),
    manuals: [
      { program: "tedge", as: "tedge-hsm", section: 1, seeAlso: ["tedge-hsm-bridge(8)"] },
      { program: "tedge-mapper", as: "tedge-hsm-bridge", section: 8, seeAlso: ["tedge-hsm(1)"] }
    ],
    completions: "tedge-hsm",
    fields: {
      Depends: [node, "passwd"],
      Recommends: ["mosquitto", "ca-certificates", "tedge-mapper (>= 2.0.0)"],
      Suggests: ["tedge-actors-p11-server", "softhsm2", "libtpm2-pkcs11-1", "opensc-pkcs11", "pcscd"],
      Conflicts: ["tedge-actors"],
      Replaces: ["tedge-actors"]
    }
  }
]

export const maintainer = "The tedge-actors authors <maintainers@tedge-actors.invalid>"
