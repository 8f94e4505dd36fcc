import { program } from "../bench/real-parts.ts";
import { parseAddress } from "../src/buildkit/address.ts";
import { callOnce } from "../src/buildkit/connection.ts";
import { type BuildHistoryEvent, ControlService } from "../src/buildkit/generated/control.ts";
import { status } from "../src/buildkit/grpc-status.ts";
import { createLog } from "../src/log.ts";
import { type Buildkitd, startBuildkitd } from "../src/parts/buildkitd.ts";

/** A buildkitd that comes back on the same socket when it was killed. */
export interface Daemon extends AsyncDisposable {
  readonly address: string;
  /** kill -9; answers when it is ready again. */
  kill(): Promise<void>;
  /** The process that runs now. */
  pid(): Promise<number>;
  /** Refs of the builds that it is at, by its own account. */
  builds(): Promise<readonly string[]>;
}

const startLimitMs = 120_000;

/** Starts a buildkitd with a registry that speaks plain HTTP. */
export async function startDaemon({ folder, registry }: { folder: string; registry: string }): Promise<Daemon> {
  const [binary, runc] = [await program("buildkitd"), await program("runc")];
  const rootless = process.getuid?.() === 0 ? {} : { rootlesskit: await program("rootlesskit") };
  const options = { binary, runc, ...rootless, folder, mirror: registry, insecureRegistries: [registry] };
  const start = () =>
    startBuildkitd({ ...options, log: createLog("fatal"), signal: AbortSignal.timeout(startLimitMs) });
  let running: Promise<Buildkitd> = start();
  const { address } = await running;
  const endpoint = parseAddress(address);
  return {
    address,
    async kill() {
      const daemon = await running;
      process.kill(daemon.pid, "SIGKILL");
      await daemon.ended;
      running = start();
      await running;
    },
    pid: async () => (await running).pid,
    async builds() {
      const refs: string[] = [];
      const request = { ref: "", activeOnly: true, earlyExit: true };
      const onMessage = ({ record }: BuildHistoryEvent) => void (record && refs.push(record.ref));
      const call = { method: ControlService.listenBuildHistory, request, onMessage };
      const end = await callOnce(endpoint, call, { signal: AbortSignal.timeout(startLimitMs) });
      if (end.code !== status.OK) throw new Error(end.message);
      return refs;
    },
    async [Symbol.asyncDispose]() {
      await (await running).stop();
    },
  };
}
