/**
 * tedge-actors/tls: TLS for every Node program with a private key that never leaves its token.
 *
 * The entry point of the library, and the only file that re-exports.
 */

export type { PemInput } from "./certificates.ts"
export type { ConnectOptions, IdentityOptions, SecureOptions } from "./connect-options.ts"
export { type CsrOptions, createCsr, type SubjectField } from "./csr.ts"
export { type AgentOptions, createAgent } from "./https-agent.ts"
export { type JwtAlgorithm, type JwtOptions, signJwt } from "./jwt.ts"
export type { SignatureScheme, SigningKey, SignOptions, TokenKey } from "./key.ts"
export { type MqttStreamBuilder, mqttStream } from "./mqtt-stream.ts"
export { connect } from "./open-connection.ts"
export { type KeyOptions, openToken, type Token, type TokenEvents, type TokenOptions } from "./open-token.ts"
export type { TlsCipher, TlsPeerCertificate } from "./tls-facts.ts"
export type { TlsStream } from "./tls-stream.ts"
export { TokenError, type TokenErrorCode, type TokenErrorFacts } from "./token-error.ts"
export { type UndiciCallback, type UndiciConnector, type UndiciTarget, undiciConnector } from "./undici-connector.ts"
