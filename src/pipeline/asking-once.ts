/** Asks once for each name, however often it is wanted, and whatever the answer was. */
export function askingOnce<Rest extends readonly unknown[], Answer>(
  ask: (name: string, ...rest: Rest) => Promise<Answer>,
): (name: string, ...rest: Rest) => Promise<Answer> {
  const answers = new Map<string, Promise<Answer>>();
  return (name, ...rest) => {
    const answer = answers.get(name) ?? ask(name, ...rest);
    answers.set(name, answer);
    return answer;
  };
}
