/**
 * Ends the process when its Node is too old for this project. Imported first, and plain enough for the Node of Debian 11.
 */
import { readFileSync } from "node:fs"

const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
const [least, actual] = [engines.node, process.versions.node].map((text) => text.match(/\d+/g).map(Number))

if (actual[0] < least[0] || (actual[0] === least[0] && actual[1] < least[1])) {
  process.stderr.write(
    `error: this is Node ${process.versions.node}; Node ${engines.node.slice(2)} or newer is needed\n` +
      "hint: Debian 13 has it (apt-get install nodejs npm). On Debian 12, with the npm that is there:\n" +
      '  npm install --prefix ~/node node@22 && export PATH="$HOME/node/node_modules/node/bin:$PATH"\n'
  )
  process.exit(1)
}
