const { readFileSync } = require("node:fs")
const { connect, openToken } = require("tedge-actors/tls")

const { MODULE, PIN, CERT, CA, URL } = process.env
const token = openToken({ module: MODULE, pin: PIN })
token.key().then((key) => {
  const { hostname, port } = new globalThis.URL(URL)
  const stream = connect({ key, cert: readFileSync(CERT), ca: readFileSync(CA), host: hostname, port }, () => {
    console.log(stream.getProtocol())
    stream.end()
    token.close()
  })
  stream.resume()
})
