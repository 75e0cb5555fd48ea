/** Increased when a reader of the previous version would misread a snapshot or an event; not for new fields and events. */
export const statusVersion = 1
