/** A duration as people read it: `0.4s`, `12.3s`, `2m 05s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(Math.max(0, seconds));
  if (whole < 100) return `${Math.max(0, seconds).toFixed(1)}s`;
  return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
}

const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** A number of bytes in steps of 1000, as registries and Docker count: `512 B`, `12.4 MB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [Math.max(0, bytes), 0];
  while (value >= 999.95 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? Math.round(value) : value.toFixed(1).replace(/\.0$/, "")} ${units[unit]}`;
}
