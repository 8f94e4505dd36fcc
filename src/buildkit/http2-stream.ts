import { encodeHeaders, type Header } from "./hpack.ts";
import { type ErrorName, errorCode, flags, frameType, type OnBytes } from "./http2-frames.ts";
import type { FrameSender } from "./http2-sender.ts";
import { ReceiveWindow } from "./http2-window.ts";

/** How much waits in a stream before those who write to it wait, too. */
const roomyBytes = 64 * 1024;
/** What one stream sends before others get their turn. */
const turnBytes = 512 * 1024;

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly sender: FrameSender;
  /** Sends what waits, as far as there is room. */
  pump(stream: Http2Stream): void;
  forget(stream: Http2Stream): void;
}

/** What hears of a stream: its bytes, and that there will be no more. */
export interface StreamListener {
  readonly onBytes: OnBytes;
  readonly onEnd: () => void;
  /** Of a call of ours: hears the answer's headers, and those that end it. */
  readonly onHeaders?: (headers: readonly Header[]) => void;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly onTaken: (() => void) | undefined;
}

/** One stream of a connection: a call, whichever side has made it. */
export class Http2Stream {
  readonly id: number;
  readonly #host: StreamHost;
  readonly #window: ReceiveWindow;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Bytes of the first one waiting that are sent. */
  #sent = 0;
  #trailers: Buffer | undefined;
  /** Whether the other side is to be told that all was said, once it was. */
  #isLastOwed = false;
  #roomy: PromiseWithResolvers<void> | undefined;
  #listener: StreamListener | undefined;
  /** What has come before anybody listened. */
  #early: Buffer[] = [];
  #isEnded = false;
  /** Why it is over. */
  #over: Error | undefined;
  /** Made when somebody asks for its signal, which few calls do. */
  #gone: AbortController | undefined;
  #isHeld = false;
  #heldBytes = 0;
  /** What the other side still takes of this stream. */
  sendWindowBytes: number;

  constructor(id: number, host: StreamHost, windows: { send: number; receive: number }) {
    this.id = id;
    this.#host = host;
    this.sendWindowBytes = windows.send;
    this.#window = new ReceiveWindow(windows.receive);
  }

  /** Aborts when the stream is over, with why. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#over) this.#gone.abort(this.#over);
    return this.#gone.signal;
  }

  get isClosed(): boolean {
    return this.#over !== undefined;
  }

  /** Whether something has still to be sent. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0 || this.#trailers !== undefined || this.#isLastOwed;
  }

  respond(headers: readonly Header[]): void {
    if (!this.isClosed) this.#host.sender.headers(this.id, encodeHeaders(headers), { isLast: false });
  }

  /** Sends bytes, after all before them. `onTaken` tells that the buffer is no longer needed, whether they went or not. */
  write(bytes: Uint8Array, onTaken?: () => void): void {
    if (this.isClosed || this.#trailers !== undefined) {
      onTaken?.();
      return;
    }
    this.#waiting.push({ bytes, onTaken });
    this.#waitingBytes += bytes.length;
    this.#host.pump(this);
  }

  /** Waits while much is waiting here; undefined where there is room at once. Ends, too, when the stream does. */
  room(): Promise<void> | undefined {
    if (this.#waitingBytes < roomyBytes || this.isClosed) return undefined;
    this.#roomy ??= Promise.withResolvers();
    return this.#roomy.promise;
  }

  /** Says, when all is sent, that no more will be: the end of what a client asks. */
  endWriting(): void {
    if (this.isClosed) return;
    this.#isLastOwed = true;
    this.#host.pump(this);
  }

  /** Ends the stream when all is sent. */
  finish(trailers: readonly Header[]): void {
    if (this.isClosed) return;
    this.#trailers ??= encodeHeaders(trailers);
    this.#host.pump(this);
  }

  /** Ends the stream at once. */
  reset(name: ErrorName, reason: Error): void {
    if (this.isClosed) return;
    this.#sendReset(name);
    this.close(reason);
  }

  /** Sets who hears of the stream; what has come before is told at once. */
  listen(listener: StreamListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) listener.onBytes(bytes, 0, bytes.length);
    if (!this.#isHeld) this.release();
    if (this.#isEnded) listener.onEnd();
  }

  /** Keeps the other side from sending more than its window until {@link release}: what comes is told nevertheless. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#giveBack(bytes);
  }

  /** How many bytes {@link begin} may be given now. */
  sendable(): number {
    return this.isClosed ? 0 : this.#host.sender.sendable(this.sendWindowBytes);
  }

  /** For who lays out bytes himself: exactly as many have to be {@link put} at once. */
  begin(bytes: number): void {
    this.sendWindowBytes -= bytes;
    this.#host.sender.begin(this.id, bytes);
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    this.#host.sender.put(bytes, start, end);
  }

  /** Of the connection: sends some of what waits. @returns whether there may be more to do */
  sendTurn(): boolean {
    const first = this.#waiting[0];
    if (first === undefined) {
      this.#sendLast();
      this.#sendTrailers();
      return false;
    }
    const bytes = Math.min(first.bytes.length - this.#sent, this.sendable(), turnBytes);
    if (bytes > 0) {
      this.begin(bytes);
      this.put(first.bytes, this.#sent, this.#sent + bytes);
      this.#sent += bytes;
    }
    const isTaken = this.#sent === first.bytes.length;
    if (isTaken) this.#take(first);
    return isTaken || bytes > 0;
  }

  /** Of the connection: headers of the answer have come. */
  answer(headers: readonly Header[]): void {
    this.#listener?.onHeaders?.(headers);
  }

  /** Of the connection: so many bytes are about to come. */
  expect(bytes: number): void {
    this.#window.take(bytes);
  }

  /** Of the connection: bytes have come. */
  deliver(chunk: Buffer, start: number, end: number): void {
    if (this.#listener === undefined) this.#early.push(Buffer.from(chunk.subarray(start, end)));
    else this.#listener.onBytes(chunk, start, end);
    if (this.#isHeld || this.#listener === undefined) this.#heldBytes += end - start;
    else this.#giveBack(end - start);
  }

  /** Of the connection: the other side has said all. */
  end(): void {
    this.#isEnded = true;
    this.#listener?.onEnd();
  }

  /** Of the connection: the stream is over. */
  close(reason: Error): void {
    if (this.isClosed) return;
    this.#over = reason;
    this.#host.forget(this);
    this.#gone?.abort(reason);
    this.#trailers = undefined;
    this.#isLastOwed = false;
    this.#early = [];
    for (const { onTaken } of this.#waiting.splice(0)) onTaken?.();
    this.#roomy?.resolve();
  }

  #take({ bytes, onTaken }: Waiting): void {
    this.#waiting.shift();
    this.#sent = 0;
    this.#waitingBytes -= bytes.length;
    onTaken?.();
    if (this.#waitingBytes >= roomyBytes) return;
    this.#roomy?.resolve();
    this.#roomy = undefined;
  }

  #sendLast(): void {
    if (!this.#isLastOwed) return;
    this.#isLastOwed = false;
    this.#host.sender.frame({ type: frameType.data, flags: flags.endStream, stream: this.id }, Buffer.alloc(0));
  }

  /** What the other side still has to say is of no use then. */
  #sendTrailers(): void {
    if (this.#trailers === undefined) return;
    this.#host.sender.headers(this.id, this.#trailers, { isLast: true });
    if (!this.#isEnded) this.#sendReset("NO_ERROR");
    this.close(new Error("the call has ended"));
  }

  #sendReset(name: ErrorName): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(errorCode[name]);
    this.#host.sender.frame({ type: frameType.reset, flags: flags.none, stream: this.id }, payload);
  }

  #giveBack(bytes: number): void {
    const owed = this.#window.giveBack(bytes);
    if (owed === 0 || this.#isEnded || this.isClosed) return;
    this.#host.sender.windowUpdate(this.id, owed);
  }
}
