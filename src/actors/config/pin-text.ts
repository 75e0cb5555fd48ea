/** The PIN in the text of a URI (RFC 7512, 2.4, `pin-value`). Free of Effect, for the fast front end. */
import { mayHavePin, withoutPin } from "../../messages/shown-text.ts"

/** Also if the attribute is misspelt: what may be a PIN is not shown. */
export const hasPin = (value: string): boolean => isUri(value) && mayHavePin(value)

/** The URI without its `pin-value`, the rest as written; undefined: it has none. */
export const textWithoutPin = (text: string): string | undefined => {
  const left = isUri(text) ? withPin(text, undefined) : text
  return left === text ? undefined : left
}

/** The URI with its PIN replaced by `mask`. What may be the rest of a PIN is removed too. */
export const maskedPin = (text: string, mask: string): string => {
  const masked = withPin(text, mask)
  return mayHavePin(masked.replaceAll(`pin-value=${mask}`, ""))
    ? withoutPin(text).replace(/\[REDACTED\]$/, mask)
    : masked
}

const isUri = (text: string): boolean => /^pkcs11:/i.test(text)

const withPin = (text: string, shown: string | undefined): string => {
  const scheme = text.slice(0, "pkcs11:".length)
  const [path = "", ...queries] = text.slice(scheme.length).split("?")
  const query = replaced(queries.join("?"), "&", shown)
  return `${scheme}${replaced(path, ";", shown)}${query === "" ? "" : `?${query}`}`
}

const replaced = (attributes: string, separator: string, shown: string | undefined): string =>
  attributes
    .split(separator)
    .flatMap((attribute) => {
      if (!/^pin-value=/i.test(attribute)) return [attribute]
      return shown === undefined ? [] : [`pin-value=${shown}`]
    })
    .join(separator)
