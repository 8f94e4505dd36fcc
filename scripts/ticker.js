/**
 * Shows that something long goes on: a line that is rewritten on a terminal, a line now and then where there is none.
 * @param {string} what
 */
export function startTicker(what) {
  const started = Date.now();
  const live = process.stderr.isTTY === true;
  let detail = "";
  const line = () => `${what}${detail} … ${seconds(Date.now() - started)}`;
  const show = () =>
    process.stderr.write(live ? `\r\x1b[K${line().slice(0, (process.stderr.columns ?? 80) - 1)}` : `${line()}\n`);
  show();
  const timer = setInterval(show, live ? 200 : 15_000);
  return {
    /** @param {string} text what is known of how far it is */
    update(text) {
      detail = `: ${text}`;
    },
    /** @param {string} text how it ended */
    stop(text) {
      clearInterval(timer);
      process.stderr.write(`${live ? "\r\x1b[K" : ""}${text} (${seconds(Date.now() - started)})\n`);
    },
  };
}

/** @param {number} ms */
function seconds(ms) {
  const whole = Math.floor(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
