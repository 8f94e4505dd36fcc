/** ELF machine numbers, and the names that images have for them. */
const architectures: Readonly<Record<number, string>> = { 62: "amd64", 183: "arm64", 243: "riscv64" };

const interpreterSegment = 3;

/**
 * What a program of Linux is made for, from its ELF header (elf(5), 64 bit, little endian).
 * @returns its architecture as images name it, and whether it needs no loader and no libraries; undefined where the
 * bytes are something else
 */
export function machineOf(program: Buffer): { architecture: string; isStatic: boolean } | undefined {
  const isElf = program.length >= 64 && program.readUInt32BE(0) === 0x7f454c46 && program[4] === 2 && program[5] === 1;
  const architecture = isElf ? architectures[program.readUInt16LE(18)] : undefined;
  if (architecture === undefined) return undefined;
  const tableOffset = Number(program.readBigUInt64LE(32));
  const entryBytes = program.readUInt16LE(54);
  const types = Array.from({ length: program.readUInt16LE(56) }, (_, index) => tableOffset + index * entryBytes)
    .filter((offset) => offset + 4 <= program.length)
    .map((offset) => program.readUInt32LE(offset));
  return { architecture, isStatic: !types.includes(interpreterSegment) };
}
