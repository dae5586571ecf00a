// A file system in memory that keeps apart what is written and what is synced. It has only so much space, fails where it is
// told to, and can crash at any operation: what was not synced is gone then, or, in the cruel kind, there in pieces.

import type { Disk, DiskFile } from "../../src/flow/queue/disk.js";
import type { Random } from "../../src/transport/clock.js";

/** A file's content. */
interface Inode {
  data: Buffer;
  synced: Buffer;
  /** What was written since the last sync, in order. */
  writes: { readonly position: number; readonly bytes: Buffer }[];
}

type FolderChange = (names: Map<string, Inode>) => void;

interface Folder {
  names: Map<string, Inode>;
  synced: Map<string, Inode>;
  changes: FolderChange[];
}

/** What an operation is to do: go well, fail with this code, or be the last one. */
export type Fate = "well" | "crash" | string;

export class FaultyDisk implements Disk {
  /** Bytes that fit; writes beyond are cut off there and fail ENOSPC. */
  capacity: number = Number.POSITIVE_INFINITY;
  /** Operations so far. */
  operations = 0;
  /** Says what becomes of an operation, by its number and kind; see {@link Fate}. */
  fateOf: (operation: number, kind: string, path: string) => Fate = () => "well";
  hasCrashed = false;
  /** Files that are open. */
  handles = 0;
  private readonly folders = new Map<string, Folder>();

  /** The disk as the next process finds it. With `random`, unsynced writes and names are there in part. */
  afterCrash(random?: Random): FaultyDisk {
    const disk = new FaultyDisk();
    for (const [path, { synced, changes }] of this.folders) {
      const names = new Map(synced);
      const kept = random === undefined ? 0 : Math.floor(random() * (changes.length + 1));
      for (const change of changes.slice(0, kept)) change(names);
      const inodes = [...names].map(([name, inode]): [string, Inode] => [name, settled(inode, random)]);
      disk.folders.set(path, { names: new Map(inodes), synced: new Map(inodes), changes: [] });
    }
    return disk;
  }

  /** The bytes of all files. */
  get usedBytes(): number {
    let bytes = 0;
    for (const { names } of this.folders.values()) for (const { data } of names.values()) bytes += data.length;
    return bytes;
  }

  /** The files in a folder. */
  names(path: string): string[] {
    return [...(this.folders.get(path)?.names.keys() ?? [])];
  }

  /** Changes what is on disk, as age does. */
  damage(path: string, position: number): void {
    const inode = this.inode(path);
    inode.data[position] = (inode.data[position] as number) ^ 0xff;
  }

  async makeFolder(path: string): Promise<void> {
    await this.begin("makeFolder", path);
    if (this.folders.has(path)) return;
    this.folders.set(path, { names: new Map(), synced: new Map(), changes: [] });
    if (path.lastIndexOf("/") > 0) await this.makeFolder(path.slice(0, path.lastIndexOf("/")));
  }

  async list(path: string): Promise<string[]> {
    await this.begin("list", path);
    const below = [...this.folders.keys()].filter((folder) => folder.slice(0, folder.lastIndexOf("/")) === path);
    return [...below.map((folder) => folder.slice(path.length + 1)), ...this.names(path)];
  }

  async create(path: string): Promise<DiskFile> {
    await this.begin("create", path);
    if (this.usedBytes >= this.capacity) throw systemError("ENOSPC");
    if (this.folderOf(path).names.has(nameOf(path))) throw systemError("EEXIST");
    const inode: Inode = { data: Buffer.alloc(0), synced: Buffer.alloc(0), writes: [] };
    this.change(path, (names) => names.set(nameOf(path), inode));
    return this.handle(inode, path);
  }

  async open(path: string): Promise<DiskFile> {
    await this.begin("open", path);
    return this.handle(this.inode(path), path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.begin("rename", from);
    const inode = this.inode(from);
    this.change(from, (names) => names.set(nameOf(to), inode).delete(nameOf(from)));
  }

  async remove(path: string): Promise<void> {
    await this.begin("remove", path);
    this.change(path, (names) => names.delete(nameOf(path)));
  }

  async syncFolder(path: string): Promise<void> {
    await this.begin("syncFolder", path);
    const folder = this.folders.get(path);
    if (folder === undefined) throw systemError("ENOENT");
    folder.synced = new Map(folder.names);
    folder.changes = [];
  }

  /** Lets other work have its turn, and does to the operation what it is fated to. */
  private async begin(kind: string, path: string): Promise<void> {
    await undefined;
    if (this.hasCrashed) throw systemError("EIO");
    const fate = this.fateOf(++this.operations, kind, path);
    if (fate === "well") return;
    if (fate === "crash") this.hasCrashed = true;
    throw systemError(fate === "crash" ? "EIO" : fate);
  }

  private handle(inode: Inode, path: string): DiskFile {
    this.handles++;
    return {
      write: async (buffers, position) => {
        const failure = await this.begin("write", path).catch((error: unknown) => error as Error);
        let at = position;
        for (const buffer of buffers) {
          const room = Math.max(0, this.capacity - this.usedBytes + Math.max(0, inode.data.length - at));
          this.put(inode, Buffer.from(buffer.subarray(0, room)), at);
          if (buffer.length > room) throw systemError("ENOSPC");
          at += buffer.length;
        }
        // At its worst a write that fails has written everything.
        if (failure !== undefined) throw failure;
      },
      read: async (position, bytes) => {
        await this.begin("read", path);
        return Buffer.from(inode.data.subarray(position, position + bytes));
      },
      bytes: async () => inode.data.length,
      truncate: async (bytes) => {
        await this.begin("truncate", path);
        inode.data = inode.data.subarray(0, bytes);
        // A length is on disk with the next sync; to make it worse it is taken for a write here that may be lost.
        inode.writes = inode.writes.filter(({ position }) => position < bytes);
        inode.writes.push({ position: bytes, bytes: Buffer.alloc(0) });
      },
      sync: async () => {
        try {
          await this.begin("sync", path);
          for (const { position, bytes } of inode.writes) inode.synced = overlay(inode.synced, bytes, position);
          inode.synced = inode.synced.subarray(0, inode.data.length);
        } finally {
          // What could not be synced is forgotten, as Linux does: it can be read, and no later sync brings it to the disk.
          if (!this.hasCrashed) inode.writes = [];
        }
      },
      close: async () => {
        this.handles--;
      },
    };
  }

  private put(inode: Inode, bytes: Buffer, position: number): void {
    inode.data = overlay(inode.data, bytes, position);
    inode.writes.push({ position, bytes });
  }

  private inode(path: string): Inode {
    const inode = this.folders.get(folderPath(path))?.names.get(nameOf(path));
    if (inode === undefined) throw systemError("ENOENT");
    return inode;
  }

  private folderOf(path: string): Folder {
    const folder = this.folders.get(folderPath(path));
    if (folder === undefined) throw systemError("ENOENT");
    return folder;
  }

  private change(path: string, change: FolderChange): void {
    const folder = this.folderOf(path);
    change(folder.names);
    folder.changes.push(change);
  }
}

/** A file after a crash: what was synced, and with `random` any part of what was not. */
function settled({ synced, writes }: Inode, random: Random | undefined): Inode {
  let data = synced;
  for (const { position, bytes } of random === undefined ? [] : writes) {
    const kept = random!() < 0.5 ? Math.floor(random!() * (bytes.length + 1)) : random!() < 0.5 ? bytes.length : 0;
    if (kept > 0) data = overlay(data, bytes.subarray(0, kept), position);
  }
  return { data: Buffer.from(data), synced: Buffer.from(data), writes: [] };
}

/** Bytes beyond the end leave zeros before them, as a file system does. */
function overlay(data: Buffer, bytes: Buffer, position: number): Buffer {
  const next = Buffer.alloc(Math.max(data.length, position + bytes.length));
  data.copy(next);
  bytes.copy(next, position);
  return next;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function folderPath(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
