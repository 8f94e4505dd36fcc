/*
 * What a pushed stack may not say with build_args. These names mean something to BuildKit itself: another frontend, the
 * way to the network, times in the image. They are the installation's, and are left out with a warning. Everybody may
 * use them on a machine of their own.
 */
const reserved = /^(?:buildkit_.*|source_date_epoch|(?:https?|ftp|all|no)_proxy)$/i;

/** A word that a package manager takes for the name of a package and nothing else: no option, no shell, no pattern. */
const packageWord = /^[A-Za-z0-9][A-Za-z0-9+._@:=~/-]*$/;

/** True for a build argument that a pushed stack may not set. */
export function isReservedBuildArg(name: string): boolean {
  return reserved.test(name);
}

/** The first word of ADDITIONAL_PACKAGE that is no name of a package; undefined where all are. */
export function strangePackage(packages: string): string | undefined {
  return packages.split(" ").find((word) => word !== "" && !packageWord.test(word));
}
