/**
 * The sentence and the hint for every failure a person can see: on the terminal, on the wire, in health and logs.
 *
 * The sentences are in `explain/`, one table per area; a new refusal does not compile until it has one.
 */
import type { AskFailed } from "../runtime/errors.ts"
import type { CertificateRefusal } from "./certificate.ts"
import type { ConfigRefusal } from "./config.ts"
import { certificateSentences } from "./explain/certificate.ts"
import { configSentences } from "./explain/config.ts"
import { askSentences, connectSentences, type StepRefusal } from "./explain/connect.ts"
import { type Explanation, type Sentences, sentenceIn } from "./explain/explanation.ts"
import { hsmSentences } from "./explain/hsm.ts"
import { mqttSentences } from "./explain/mqtt.ts"
import { uriSentences } from "./explain/pkcs11-uri.ts"
import { platformSentences } from "./explain/platform.ts"
import { statusSentences } from "./explain/status.ts"
import { tokenSentences } from "./explain/token.ts"
import type { HsmRefusal } from "./hsm.ts"
import type { MqttRefusal } from "./mqtt.ts"
import type { InvalidPkcs11Uri } from "./pkcs11-uri.ts"
import type { PlatformRefusal } from "./platform.ts"
import type { StatusRefusal } from "./status/refusals.ts"
import type { TokenRefusal } from "./token-refusals.ts"

export type { Explanation } from "./explain/explanation.ts"

export type Failure =
  | TokenRefusal
  | MqttRefusal
  | StepRefusal
  | ConfigRefusal
  | HsmRefusal
  | CertificateRefusal
  | PlatformRefusal
  | StatusRefusal
  | AskFailed
  | InvalidPkcs11Uri

export const explain = (failure: Failure): Explanation => sentenceIn(sentences, failure)

export const sentences = {
  ...tokenSentences,
  ...mqttSentences,
  ...connectSentences,
  ...configSentences,
  ...hsmSentences,
  ...certificateSentences,
  ...platformSentences,
  ...statusSentences,
  ...askSentences,
  ...uriSentences
} satisfies Sentences<Failure>
