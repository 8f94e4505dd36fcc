import type { Run, Style } from "./picture-screen.ts";

/** Sizes in SVG units. A column is 0.6 of the letters' size, as in every common monospace font. */
const fontSize = 13;
const column = 7.8;
const row = 18;
const margin = 18;
const bar = 34;

/** The palette's 16 colours for a light and a dark window, chosen to read well on both. */
const light = ["#24292f", "#c5221f", "#1a7f37", "#8a5a00", "#0b57d0", "#8430ce", "#0b7285", "#57606a"];
const lightBright = ["#6e7781", "#d93025", "#188038", "#9a6700", "#1a73e8", "#9334e6", "#1098ad", "#24292f"];
const dark = ["#6e7681", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#b1bac4"];
const darkBright = ["#8b949e", "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#76e3ea", "#f0f6fc"];

/**
 * Draws rows of a terminal as a window. Only text and shapes: no script, no font and no picture from elsewhere, so that
 * it shows wherever pictures are shown; it follows the reader's choice of a light or a dark screen.
 * @param columns width of the window
 */
export function drawSvg(
  rows: readonly (readonly Run[])[],
  { columns, title }: { columns: number; title: string },
): string {
  const width = Math.ceil(columns * column + 2 * margin);
  const height = bar + rows.length * row + margin;
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (color, at) => `<circle cx="${margin + 2 + at * 18}" cy="17" r="5.5" fill="${color}"/>`,
  );
  const lines = rows.flatMap((runs, at) => runs.map((run) => drawRun(run, bar + at * row + fontSize)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">
<style>${styleSheet(rows.flat().map((run) => run.style))}</style>
<rect class="w" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10"/>
${dots.join("")}<text class="t" x="${width / 2}" y="21" text-anchor="middle">${escapeXml(title)}</text>
<g xml:space="preserve">
${lines.join("\n")}
</g>
</svg>
`;
}

/** Every run stands at its own column and in its own width, so that columns stay aligned in whatever font is there. */
function drawRun({ column: at, columns, text, style }: Run, y: number): string {
  const x = number(margin + at * column);
  const names = classesOf(style);
  const length = columns > 1 ? ` textLength="${number(columns * column)}"` : "";
  return `<text x="${x}" y="${y}"${names === "" ? "" : ` class="${names}"`}${length}>${escapeXml(text)}</text>`;
}

function classesOf({ color, bold, dim }: Style): string {
  return [bold ? "b" : "", dim ? "d" : "", color === undefined ? "" : `c${color}`]
    .filter((name) => name !== "")
    .join(" ");
}

function styleSheet(styles: readonly Style[]): string {
  const used = [...new Set(styles.flatMap(({ color }) => color ?? []))].toSorted((a, b) => a - b);
  const palette = (colors: readonly string[]) => used.map((color) => `.c${color}{fill:${colors[color]}}`).join("");
  const font = `font:${fontSize}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace`;
  const window = (ground: string, edge: string, ink: string) => `.w{fill:${ground};stroke:${edge}}text{fill:${ink}}`;
  const inLight = `${window("#fbfcfd", "#d0d7de", "#24292f")}${palette([...light, ...lightBright])}`;
  const inDark = `${window("#0d1117", "#30363d", "#e6edf3")}${palette([...dark, ...darkBright])}`;
  return `text{${font};white-space:pre}.b{font-weight:600}.d{opacity:.62}.t{opacity:.7}${inLight}@media(prefers-color-scheme:dark){${inDark}}`;
}

function number(value: number): string {
  return String(Number(value.toFixed(1)));
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (sign) => entities[sign] ?? sign);
}
