/**
 * The expression of a pattern for names that are made of parts between slashes: `*` any text within a part, `**` any
 * text, `?` one character of a part. Patterns come from settings, and are trusted with the time that they take.
 */
export function globExpression(glob: string): RegExp {
  const parts = glob.split(/(\*{1,2}\/?|\?)/).map((part) => wildcards[part] ?? escaped(part));
  return new RegExp(`^${parts.join("")}$`, "su");
}

/** `**` and a slash also stand for nothing: `a/**` and a slash before `b` match `a/b`. */
const wildcards: Readonly<Record<string, string>> = {
  "*": "[^/]*",
  "*/": "[^/]*/",
  "**": ".*",
  "**/": "(?:.*/)?",
  "?": "[^/]",
};

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.+()[\]{}|/*?]/g, "\\$&");
}
