/** Raised when a reader of the last version would misread a snapshot or an event; new fields and events do not raise it. */
export const statusVersion = 1
