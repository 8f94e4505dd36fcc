/*
 * The way of a RUN to an SSH agent on our side (moby.sshforward.v1.SSH). The daemon asks once whether there is an
 * agent of an id; each connection to the socket that it puts into the container is then a call of its own, whose
 * messages are the raw bytes of the agent's socket. The key never leaves the agent: it signs.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { BuilderError, messageOf } from "../errors.ts";
import { messagesOf, readBytes, sendBytes } from "./call-streams.ts";
import { SSHService } from "./generated/ssh.ts";
import { status } from "./grpc-status.ts";
import { CallError, type CallHandler, type IncomingCall, unary } from "./session-calls.ts";

const idHeader = "buildkit.ssh.id";
const defaultId = "default";

/**
 * Connects builds with SSH agents, and with no other socket.
 * @param agents path of the agent's socket by its id
 */
export function createSshAgents(agents: Readonly<Record<string, string>>): [path: string, handler: CallHandler][] {
  const known = new Map(Object.entries(agents));
  const find = (id: string) => {
    const socket = known.get(id || defaultId);
    if (socket === undefined) throw new CallError(status.NOT_FOUND, `there is no SSH agent "${id || defaultId}"`);
    return socket;
  };
  const check = unary(SSHService.checkAgent, async ({ id }) => {
    find(id);
    return {};
  });
  return [
    [SSHService.checkAgent.path, check],
    [SSHService.forwardAgent.path, (call) => forward(call, find(call.header(idHeader)[0] ?? ""))],
  ];
}

async function forward(call: IncomingCall, path: string): Promise<void> {
  const socket = connect({ path, allowHalfOpen: true, signal: call.signal });
  try {
    await opened(socket, path);
    // When the agent has said all, the call is over, whatever the container may still have to say.
    toAgent(call, socket).catch((error: Error) => socket.destroy(error));
    await fromAgent(call, socket);
  } finally {
    socket.destroy();
  }
}

async function opened(socket: Socket, path: string): Promise<void> {
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw new BuilderError("usage", `the SSH agent at "${path}" does not answer: ${messageOf(cause)}`, {
      cause,
      fix: "Start an agent, and name its socket (SSH_AUTH_SOCK).",
    });
  }
}

async function toAgent(call: IncomingCall, socket: Socket): Promise<void> {
  for await (const message of messagesOf(call)) {
    if (!socket.write(readBytes(message))) await once(socket, "drain", { signal: call.signal });
  }
  socket.end();
}

async function fromAgent(call: IncomingCall, socket: Socket): Promise<void> {
  for await (const chunk of socket) await sendBytes(call, chunk as Buffer);
}
