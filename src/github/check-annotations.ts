import { isOfRepository, type Remark } from "../model/report.ts";
import { cutLine, cutMiddle } from "./markdown.ts";

/** A remark at lines of a file of the pushed commit, in GitHub's form. */
export interface Annotation {
  readonly path: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly start_column?: number;
  readonly end_column?: number;
  readonly annotation_level: Remark["level"];
  readonly title: string;
  readonly message: string;
}

/** GitHub takes them fifty at a time: these are four requests. */
const maxAnnotations = 200;
const maxTitle = 255;
const maxMessageBytes = 16 * 1024;

/** The remarks that GitHub has a line for, each once, the failures first. */
export function annotationsOf(remarks: readonly Remark[]): readonly Annotation[] {
  const placed = remarks.filter(({ location }) => isOfRepository(location.path)).map(annotationOf);
  const unique = new Map(placed.map((annotation) => [JSON.stringify(annotation), annotation]));
  return [...unique.values()].sort(failuresFirst).slice(0, maxAnnotations);
}

function annotationOf({ level, title, message, location }: Remark): Annotation {
  const { path, line, endLine = line, column } = location;
  return {
    path,
    start_line: line,
    end_line: Math.max(line, endLine),
    // GitHub takes columns of a single line only.
    ...(column !== undefined && endLine === line && { start_column: column, end_column: column }),
    annotation_level: level,
    title: cutLine(title, maxTitle),
    message: cutMiddle(message, maxMessageBytes),
  };
}

function failuresFirst(one: Annotation, other: Annotation): number {
  return one.annotation_level.localeCompare(other.annotation_level);
}
