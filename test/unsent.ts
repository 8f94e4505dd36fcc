import type { ReportTurn } from "../src/model/report-turn.ts";

/** The part of a turn that says what GitHub has been told: nothing yet. */
export const unsent = {
  notes: undefined,
  functions: [],
  way: undefined,
  isStatusesOnly: false,
  checkId: undefined,
  annotationsSent: 0,
  isUncertain: false,
  logKey: undefined,
  sentText: undefined,
} satisfies Partial<ReportTurn>;
