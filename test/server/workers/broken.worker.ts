// A module that does not load.

export const echo: unknown = undefined;
throw new Error("the module is broken");
