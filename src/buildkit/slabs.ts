/** Memory that is used again and again. */
export interface Slabs {
  take(): Buffer;
  /** Gives one back, which nobody uses any more. */
  give(slab: Buffer): void;
}

/**
 * Creates memory for all builds of this process. A build needs some megabytes for milliseconds: new ones cost a page fault
 * for every 4 KiB, and make V8, which counts them, collect garbage more often than everything else together.
 * @param bytes of each
 * @param kept so many are kept while nobody uses them
 */
export function createSlabs(bytes: number, { kept }: { kept: number }): Slabs {
  const free: Buffer[] = [];
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(bytes),
    give(slab) {
      if (free.length < kept) free.push(slab);
    },
  };
}
