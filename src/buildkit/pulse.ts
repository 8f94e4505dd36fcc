/*
 * Whether a daemon lives, asked once a second over a connection that stays open. What it asks, the daemon answers
 * without a lock, a disk or a build in the way: one that is busy answers in milliseconds. Over the same kind of
 * connection as builds have, a way that was cut without a word is noticed, too, when new connections would go well.
 *
 * Silence is counted in ticks of our own clock and not in the clock's time: however long this process, or the whole
 * machine, stood still, that counts as one second, and what has come meanwhile is read before the next one. So the
 * limits leave out our own load; they are long enough for four lost packets in a row (TCP sends again after 0.2, 0.6,
 * 1.4 and 3 s) and for a daemon's machine that is moved, and short enough to move builds within 5 s.
 */
/** A watch over one daemon. */
export interface Pulse {
  stop(): void;
}

export interface PulseOptions {
  /** Asks once. Where it fails, or is aborted, the next question goes over a new connection. */
  ask(options: { signal: AbortSignal }): Promise<string>;
  /** Hears every good answer. */
  onAnswer(version: string): void;
  /** Hears of every bad answer, and when there is none for 2 s: no build should begin there. */
  onDoubt(error: unknown): void;
  /** Hears when there was no good answer for 4 s: what runs there is lost. */
  onLost(error: unknown): void;
}

const everyMs = 1000;
const doubtAfter = 2;
const lostAfter = 4;

/** Starts to ask, without keeping the process alive. Who starts it stops it. */
export function startPulse({ ask, onAnswer, onDoubt, onLost }: PulseOptions): Pulse {
  let unheard = 0;
  let asking: AbortController | undefined;
  let fault: unknown;

  const askOnce = async () => {
    const question = new AbortController();
    asking = question;
    try {
      const version = await ask({ signal: question.signal });
      if (question.signal.aborted) return;
      unheard = 0;
      fault = undefined;
      onAnswer(version);
    } catch (error) {
      if (question.signal.aborted) return;
      fault = error;
      onDoubt(error);
    } finally {
      if (asking === question) asking = undefined;
    }
  };

  const tick = () => {
    unheard++;
    if (asking !== undefined && unheard % lostAfter === 0) {
      fault = silence(lostAfter);
      asking.abort(fault);
      asking = undefined;
    }
    if (asking !== undefined && unheard === doubtAfter) onDoubt(silence(doubtAfter));
    if (unheard >= lostAfter) onLost(fault);
    if (asking === undefined) void askOnce();
  };

  const timer = setInterval(tick, everyMs).unref();
  void askOnce();
  return {
    stop() {
      clearInterval(timer);
      asking?.abort(new Error("nobody wants to know any more"));
    },
  };
}

function silence(ticks: number): Error {
  return new Error(`nothing was heard for ${(ticks * everyMs) / 1000} s`);
}
