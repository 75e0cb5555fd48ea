/** The text of docs/commands.md: what is the same for all commands, then the help of each. */
import { type CommandSpec, commandsAt, type Program } from "../../../src/cli/command-line/command-spec.ts"
import { helpText } from "../../../src/cli/command-line/help-text.ts"
import { tedgeProgram } from "../../../src/cli/commands/tedge-spec.ts"
import { mapperProgram } from "../../../src/cli/services/mapper/mapper-spec.ts"
import { p11ServerProgram } from "../../../src/cli/services/p11-server/p11-server-spec.ts"

export const commandsPage = (): string =>
  [introduction, ...[tedgeProgram, mapperProgram, p11ServerProgram].map((program) => pagesOf(program))].join("\n")

/** The options that every command takes are shown with the executable only. */
const pagesOf = (program: Program): string =>
  paths([program.root])
    .map((path) => page(path.length === 1 ? program : { ...program, globals: [] }, path))
    .join("\n")

const page = (program: Program, path: ReadonlyArray<CommandSpec>): string =>
  `## ${path.map(({ name }) => name).join(" ")}\n\n\`\`\`text\n${trimmed(helpText(program, path, true))}\`\`\`\n`

/** Every command but the cloud words, which all take the same option. */
const paths = (path: ReadonlyArray<CommandSpec>): ReadonlyArray<ReadonlyArray<CommandSpec>> => {
  const command = path.at(-1)
  const below = command?.cloudWord === undefined && command !== undefined ? commandsAt(command) : []
  return [path, ...below.filter((sub) => sub.hidden === undefined).flatMap((sub) => paths([...path, sub]))]
}

/** Help keeps blanks in empty lines; a document need not. */
const trimmed = (text: string): string => text.replaceAll(/ +$/gm, "")

const introduction = `# Commands

This page is made from the tables of the commands by \`test/cli/command-line/commands-page.test.ts\`; change the tables, not the page.

Answers go to stdout, everything else to stderr. Colour and the spinner of a step appear on a terminal only; \`NO_COLOR\` switches
colour off. The options shown with \`tedge\` itself apply to every command, before or after its words. A value that begins with a dash comes
after \`--\`.

PINs and passwords given as arguments are removed from the command line that \`ps\` shows as soon as they have been read.

Work that takes longer than a second (a key that is generated, \`hsm init\`, a signature that may wait for a touch, the cloud) shows what
it waits for, the time it has taken and, where it has a time limit, a bar. Without a terminal that is a line on stderr every 5 seconds,
after 30 seconds every 30; stdout holds the answer only.

## Exit codes

| exit code | means |
|---|---|
| 0 | done |
| 1 | the command failed; the reason is on stderr, with the next step where there is one; \`config get\`: not set; \`status\`: unknown |
| 2 | the command line is not valid: unknown word, option, key or value; \`cert needs-renewal\`: unknown |
| 3 | \`connect\`, \`reconnect\`: connected, but not with the new certificate; \`status\`: something is down |
| 129, 130, 143 | ended by SIGHUP, SIGINT, SIGTERM; what was begun is undone. A command that has begun to change a connection continues after SIGHUP or when its output is closed: its output is then in syslog, else in \`tedge.log\` in \`logs.path\` |

## The steps of connect

\`\`\`text
$ tedge reconnect c8y
Disconnecting from Cumulocity
Removing bridge config file... ✓
Disabling tedge-mapper-c8y... ✓
reconnect to Cumulocity cloud.:
        device id: my-device
        cloud profile: <none>
        cloud host: t.example:8883
        auth type: Certificate
        certificate file: /etc/tedge/device-certs/tedge-certificate.pem
        cryptoki: true
        bridge: built-in
        service manager: systemd
        mosquitto version: 2.0.20
        proxy: Not configured
        mapper configuration file: /etc/tedge/mappers/c8y/mapper.toml
        provider: module (/usr/lib/softhsm/libsofthsm2.so)
        key uri: pkcs11:token=my-token;object=my-key
Creating device in Cumulocity cloud... ✓
Restarting mosquitto... ✓
Waiting for mosquitto to be listening for connections... ✓
Enabling tedge-mapper-c8y... ✓
Verifying device is connected to cloud... ✓
Checking Cumulocity is connected to intended tenant... ✓
Enabling tedge-agent... ✓
\`\`\`

Everything is validated before the first step; \`reconnect\` asks the token for its key as well. A step that fails ends the command with
its error, and the steps before it are undone; \`reconnect\` restores the old connection. A mapper that was started keeps running and
retries, whatever the check reports; \`tedge connect\` may be repeated. A renewed certificate (\`<cert_path>.new\`) replaces the present one after a connection with it;
one that cannot work, or that the cloud does not accept within 40 seconds, remains there, and the present one is used (exit code 3).
One connect, reconnect or disconnect runs at a time for a cloud and profile: a second one is refused and changes nothing.

\`Restarting mosquitto... not needed\` (no ✓) is shown when mosquitto's files are unchanged and another cloud, or another profile, is
connected over it.

Services are started by the commands in \`[init]\` of system.toml, else by systemd where it runs, else by \`tedge\` itself (service manager
\`built-in\`: logs in \`logs.path\`, at the start of the system \`tedge start-services\`).
`
