import { HealthService } from "./generated/health.ts";
import { type CallHandler, unary } from "./session-calls.ts";

const serving = 1;

/** Answers the question that the daemon asks every few seconds: a session that is silent for 30 s is given up. */
export function createHealth(): [path: string, handler: CallHandler] {
  const method = HealthService.check;
  return [method.path, unary(method, async () => ({ status: serving }))];
}
