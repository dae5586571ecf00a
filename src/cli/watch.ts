// `--watch`: runs again when a manifest changes. Changes that come together are one run, a run never starts during
// another, and there are never more watched folders than a limit. What is watched follows what the last run read.

import { watch as watchFolder } from "node:fs";

/** Something that is being watched. */
export interface Watched {
  close(): void;
}

/** Calls back with the name of what changed in a folder (not below it), or undefined where the system does not tell. */
export type Watcher = (folder: string, onChange: (name: string | undefined) => void) => Watched;

/** What a run is and when watching ends. */
export interface WatchOptions {
  /** Does the work; gives the folders whose changes matter from now on. Must not throw. */
  readonly run: () => Iterable<string>;
  /** Watching ends when it is aborted. */
  readonly signal: AbortSignal;
  readonly watcher?: Watcher;
  /** Changes within this many milliseconds are one. */
  readonly debounceMs?: number;
}

/** An editor's save is several changes within a few milliseconds; a person does not notice this. */
const DEBOUNCE_MS = 100;
/** The system's own limit of watched folders is shared with everything else that watches. */
const MAX_FOLDERS = 2000;

/** Runs now and after every change of a manifest, until the signal is aborted. */
export async function watch(options: WatchOptions): Promise<void> {
  const { signal } = options;
  if (signal.aborted) return;
  const watching = new Watching(options);
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  watching.close();
}

class Watching {
  private readonly run: WatchOptions["run"];
  private readonly watcher: Watcher;
  private readonly debounceMs: number;
  private readonly watched = new Map<string, Watched>();
  private timer: NodeJS.Timeout | undefined = undefined;

  constructor({ run, watcher = watchWithSystem, debounceMs = DEBOUNCE_MS }: WatchOptions) {
    this.run = run;
    this.watcher = watcher;
    this.debounceMs = debounceMs;
    this.runNow();
  }

  close(): void {
    clearTimeout(this.timer);
    for (const watched of this.watched.values()) watched.close();
  }

  private runNow(): void {
    this.follow(new Set([...this.run()].slice(0, MAX_FOLDERS)));
  }

  /** Watches these folders and no others. */
  private follow(folders: ReadonlySet<string>): void {
    for (const [folder, watched] of this.watched) {
      if (folders.has(folder)) continue;
      watched.close();
      this.watched.delete(folder);
    }
    for (const folder of folders) {
      if (!this.watched.has(folder))
        this.watched.set(
          folder,
          this.watcher(folder, (name) => this.changed(name)),
        );
    }
  }

  /** Folders count, too: one that appears may bring manifests. */
  private changed(name: string | undefined): void {
    if (name?.includes(".") === true && !name.endsWith(".proto")) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.runNow(), this.debounceMs);
  }
}

/** A folder that is gone, or that the system will not watch, changes no more: the run says what is missing. */
function watchWithSystem(folder: string, onChange: (name: string | undefined) => void): Watched {
  try {
    const watcher = watchFolder(folder, (_event, name) => onChange(name ?? undefined));
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return { close: () => undefined };
  }
}
