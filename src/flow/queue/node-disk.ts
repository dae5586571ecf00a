// The file system of this machine, for the log.

import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Disk, type DiskFile, systemCode } from "./disk.js";

/** Several buffers of less than this in all are copied into one, which is cheaper than to hand them over one by one. */
const COPY_BYTES = 65_536;

class NodeFile implements DiskFile {
  private readonly handle: FileHandle;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (const buffer of join(buffers)) {
      // The system may take less at once: the last time before it refuses.
      for (let done = 0; done < buffer.length; ) {
        const { bytesWritten } = await this.handle.write(buffer, done, buffer.length - done, at);
        done += bytesWritten;
        at += bytesWritten;
      }
    }
  }

  async read(position: number, bytes: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    let done = 0;
    while (done < bytes) {
      const { bytesRead } = await this.handle.read(buffer, done, bytes - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  async bytes(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  truncate(bytes: number): Promise<void> {
    return this.handle.truncate(bytes);
  }

  // The length of the file is among what fdatasync makes durable.
  sync(): Promise<void> {
    return this.handle.datasync();
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Small ones as one. */
function join(buffers: readonly Uint8Array[]): readonly Uint8Array[] {
  const joined: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (small.length > 0) joined.push(small.length === 1 ? (small[0] as Uint8Array) : Buffer.concat(small));
    small = [];
    bytes = 0;
  };
  for (const buffer of buffers) {
    if (bytes + buffer.length > COPY_BYTES) flush();
    small.push(buffer);
    bytes += buffer.length;
  }
  flush();
  return joined;
}

/** Files through `node:fs`. */
export const nodeDisk: Disk = {
  async makeFolder(path) {
    const first = (await mkdir(path, { recursive: true })) ?? path;
    // A folder is durable once the one around it is; also one that was made before, by a process that did not come so far.
    for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncParent(folder);
  },

  async list(path) {
    try {
      return await readdir(path);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    }
  },

  async create(path) {
    return new NodeFile(await open(path, "wx+"));
  },

  async open(path) {
    return new NodeFile(await open(path, "r"));
  },

  rename,

  remove(path) {
    return rm(path, { force: true });
  },

  async syncFolder(path) {
    // Windows has no such thing, and says so.
    if (process.platform === "win32") return;
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** The folders around a store may be closed to us; then they are not our business. */
async function syncParent(folder: string): Promise<void> {
  try {
    await nodeDisk.syncFolder(dirname(folder));
  } catch (error) {
    if (systemCode(error) !== "EACCES") throw error;
  }
}
