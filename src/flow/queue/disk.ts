// What the log needs of a file system, so that tests can put one in its place that forgets what was not synced, is full, or
// breaks. Paths are joined with "/".

/** A file that is open. */
export interface DiskFile {
  /** Writes all of it at a position; what a rejection leaves behind is open. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Reads; gives less where the file ends. */
  read(position: number, bytes: number): Promise<Buffer>;
  bytes(): Promise<number>;
  truncate(bytes: number): Promise<void>;
  /** Resolves once everything that was written is on the disk, with the file's length. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A file system. Rejections have the system's `code`. */
export interface Disk {
  /** Makes a folder and those around it, durably. */
  makeFolder(path: string): Promise<void>;
  /** The names in a folder; none if there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Makes a file that does not exist, to write and read. Its name is durable once its folder was synced. */
  create(path: string): Promise<DiskFile>;
  /** Opens a file to read. */
  open(path: string): Promise<DiskFile>;
  /** Puts a file in the place of another one. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Resolves once the names in a folder are on the disk. */
  syncFolder(path: string): Promise<void>;
}

/** The `code` of a system's error. */
export function systemCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? "";
}
