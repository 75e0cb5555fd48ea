/** One line of SmartREST: comma separated values. Source: Cumulocity, SmartREST 2.0, "Escaping". */
export const smartRestLine = (fields: ReadonlyArray<string>): string => fields.map(field).join(",")

/** Quoted where it must be; a quote is doubled. A line end would begin another message. */
const field = (text: string): string =>
  /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""').replaceAll(/[\r\n]+/g, " ")}"` : text
