import { readFileSync } from "node:fs"
import { request } from "node:http"
import { buffer } from "node:stream/consumers"
import { connect } from "tedge-actors/tls"

const { SIGNER, PUBLIC_KEY, CERT, CA, HOST, PORT } = process.env
/** Any object with a public key and a function that signs is a key: here a service on this machine. */
const sign = (scheme, message, { signal }) =>
  new Promise((resolve, reject) => {
    const asked = request(`${SIGNER}/${scheme}`, { method: "POST", signal }, (answer) => resolve(buffer(answer)))
    asked.on("error", reject).end(message)
  })
const key = { publicKey: readFileSync(PUBLIC_KEY, "utf8"), sign }
const stream = connect({ key, cert: readFileSync(CERT), ca: readFileSync(CA), host: HOST, port: PORT }, () => {
  console.log(stream.getProtocol(), stream.getPeerCertificate().subject.CN)
  stream.end()
})
