/**
 * The form of a platform: OS/ARCH, OS/ARCH/VARIANT, or one of the first two alone, to which BuildKit adds its own other
 * one. One rule for stack.yml and for the build API, as text so that both can build on it.
 */
export const platformPattern = "[A-Za-z0-9]+(?:\\/[A-Za-z0-9._-]+){0,2}";

const form = new RegExp(`^${platformPattern}$`);

/** What may stand alone: BuildKit has to know then which of the two it is. */
const knownWords = new Set([
  ...["aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "macos", "nacl"],
  ...["netbsd", "openbsd", "plan9", "solaris", "windows", "zos"],
  ...["386", "i386", "amd64", "amd64p32", "arm", "armbe", "armhf", "armel", "arm64", "arm64be", "aarch64", "loong64"],
  ...["mips", "mipsle", "mips64", "mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv"],
  ...["riscv64", "s390", "s390x", "sparc", "sparc64", "wasm"],
]);

/**
 * What is wrong with the name of a platform.
 * @returns undefined where BuildKit can read it
 */
export function platformFault(platform: string): string | undefined {
  const isKnown = platform.includes("/") || knownWords.has(platform.toLowerCase());
  if (isKnown && form.test(platform)) return undefined;
  return `platform ${JSON.stringify(platform.slice(0, 100))} is not valid: expected OS/ARCH, such as linux/amd64, linux/arm64/v8`;
}
