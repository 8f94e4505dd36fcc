/** The last lines that running steps printed, kept for the message of one that fails. */
export interface LogTails {
  add(step: string, text: string): void;
  /** Answers and forgets the lines of a step that has ended. */
  end(step: string): readonly string[];
}

const maxSteps = 1000;
const maxCharacters = 16 * 1024;
const maxLines = 40;

/** Creates the tails of one build. A line may be endless and lines may be many: only the end is kept. */
export function createLogTails(): LogTails {
  const texts = new Map<string, string>();
  return {
    add(step, text) {
      if (texts.size >= maxSteps && !texts.has(step)) return;
      texts.set(step, ((texts.get(step) ?? "") + text.slice(-maxCharacters)).slice(-maxCharacters));
    },
    end(step) {
      const lines = (texts.get(step) ?? "").split(/\r?\n/u).filter((line) => line.trim() !== "");
      texts.delete(step);
      return lines.slice(-maxLines);
    },
  };
}
