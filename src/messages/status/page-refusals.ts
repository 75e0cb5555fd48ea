/** Why `tedge status --web` cannot serve its page. */
import { Data } from "effect"

/** The page shows the device without a login: it is served to this machine only. */
export class ListenRefused extends Data.TaggedError("ListenRefused")<{
  readonly address: string
  readonly reason: "notLoopback" | "malformed"
}> {}

export class PageNotServed extends Data.TaggedError("PageNotServed")<{
  readonly address: string
  /** `EADDRINUSE`, `EACCES`. */
  readonly code: string
}> {}

export type PageRefusal = ListenRefused | PageNotServed
