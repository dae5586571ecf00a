// How commands that run until they are told to stop are told.

/** Aborted by the first Ctrl-C; the next one ends the process as usual. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  return controller.signal;
}
