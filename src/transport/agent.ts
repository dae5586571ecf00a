// What this software calls itself on a connection.

/** `name/version`; a test holds it equal to package.json. */
export const AGENT = "sluice/0.1.0";
