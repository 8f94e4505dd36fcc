import type { Readable } from "node:stream";
import type { DriverContract } from "flydrive/types";
import { BuilderError, messageOf } from "../errors.ts";

/** Where finished logs are kept, packed with gzip: a folder of this machine, or a bucket of S3 and what speaks like it. */
export interface LogStore {
  /** @throws BuilderError `log_store_failed` */
  put(place: string, packed: Uint8Array): Promise<void>;
  /** Opens what is kept at a place. @throws BuilderError `log_store_failed` */
  open(place: string): Promise<Readable>;
  /** Once more is no harm. @throws BuilderError `log_store_failed` */
  delete(place: string): Promise<void>;
}

export interface LogStoreOptions {
  /** Absolute path of a folder, or `s3://BUCKET` with or without `/PREFIX`. */
  readonly address: string;
  /** Of a store that speaks S3 and is not Amazon's; the bucket is part of the path there. */
  readonly endpoint: string | undefined;
  readonly region: string;
}

/**
 * Creates the store. What S3 takes is loaded with the first log that goes there; its credentials are found as Amazon's
 * own tools find them.
 */
export function createLogStore(options: LogStoreOptions): LogStore {
  const bucket = /^s3:\/\/([^/]+)\/?(.*)$/.exec(options.address);
  const prefix = bucket?.[2] ? `${bucket[2].replace(/\/+$/, "")}/` : "";
  let opened: Promise<DriverContract> | undefined;
  const drive = () => {
    opened ??= bucket ? openBucket(bucket[1] ?? "", options) : openFolder(options.address);
    return opened;
  };
  const speaking = async <T>(what: string, work: (drive: DriverContract) => Promise<T>): Promise<T> => {
    try {
      return await work(await drive());
    } catch (cause) {
      throw new BuilderError("log_store_failed", `cannot ${what} in ${options.address}: ${reasonOf(cause)}`, { cause });
    }
  };
  return {
    put: (place, packed) =>
      speaking(`keep ${place}`, (to) => to.put(prefix + place, packed, { contentType: "application/gzip" })),
    open: (place) => speaking(`read ${place}`, (from) => from.getStream(prefix + place)),
    delete: (place) => speaking(`delete ${place}`, (from) => from.delete(prefix + place)),
  };
}

async function openFolder(folder: string): Promise<DriverContract> {
  const { FSDriver } = await import("flydrive/drivers/fs");
  return new FSDriver({ location: folder, visibility: "private" });
}

async function openBucket(bucket: string, { endpoint, region }: LogStoreOptions): Promise<DriverContract> {
  const { S3Driver } = await importS3();
  return new S3Driver({
    bucket,
    region,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // Stores that only speak like S3 know neither lists of rights nor the newer checksums.
    supportsACL: false,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    visibility: "private",
  });
}

async function importS3() {
  try {
    return await import("flydrive/drivers/s3");
  } catch (cause) {
    throw new BuilderError("setting_invalid", "log_store names S3, but the packages for it are not installed", {
      cause,
      fix: "Run npm install @aws-sdk/client-s3 @aws-sdk/s3-request-presigner.",
    });
  }
}

/** Flydrive's own message only repeats the place. */
function reasonOf(error: unknown): string {
  return messageOf((error as Error).cause ?? error);
}
