/*
 * HTTP/2 (RFC 9113) as gRPC between us and BuildKit needs it, for either side of a connection.
 *
 *   client  "PRI * HTTP/2.0 …", SETTINGS          server  SETTINGS; each acknowledges the other's
 *   call    HEADERS, DATA …, by the client's END_STREAM; HEADERS, DATA …, HEADERS with END_STREAM by the server
 *   PING    is answered at once: Go reckons from it how much it may let be under way
 *   DATA    only as far as two windows allow, the stream's and the connection's; WINDOW_UPDATE moves them
 *
 * It is written by hand because whole contexts pass through two such connections, one inside of the other: a byte is
 * copied once on its way out and passed on where it lies on its way in. node:http2 copies it four times, joins repeated
 * headers, and limits them. Left out is what neither side uses: priorities, pushes, frames over 16 KiB.
 *
 * The other side is not trusted: what breaks the protocol or costs more than it brings ends the connection.
 */
import { encodeHeaders, type Header } from "./hpack.ts";
import { FloodGuard } from "./http2-flood.ts";
import { errorCode, type FrameHead, FrameReader, flags, frameType, Http2Error } from "./http2-frames.ts";
import { createPrefaceSkipper, greetClient, greetServer } from "./http2-greeting.ts";
import { type HeaderBlock, HeaderBlockReader } from "./http2-header-block.ts";
import { FrameSender, type Outlet } from "./http2-sender.ts";
import { readInitialWindow } from "./http2-settings.ts";
import { Http2Stream } from "./http2-stream.ts";
import { initialWindowBytes, maxWindowBytes, ReceiveWindow } from "./http2-window.ts";

/** What may wait beyond the outlet's room: who asks for answers and does not take them is up to no good. */
const maxBehindBytes = 1024 * 1024;
/** Calls at a time; a Dockerfile build has about three. */
const maxCalls = 100;
/** Calls of a client have odd numbers. */
const firstCall = 1;

export interface ConnectionOptions {
  readonly outlet: Outlet;
  /** What the other side may send of one stream, and of all, before we have read it. */
  readonly streamWindowBytes: number;
  readonly windowBytes: number;
  /** Of a server: gets the headers of each call that the other side makes. */
  readonly onHeaders?: (stream: Http2Stream, block: HeaderBlock) => void;
  /** Hears once why the connection is over. */
  readonly onEnd: (reason: Error) => void;
  /** Hears that there may be room to write directly again. */
  readonly onRoom?: () => void;
}

/** One side of a connection; whoever makes it gives it what comes by {@link receive}. */
export class Http2Connection {
  readonly sender: FrameSender;
  readonly #options: ConnectionOptions;
  readonly #isServer: boolean;
  readonly #reader: FrameReader;
  readonly #skipPreface: ReturnType<typeof createPrefaceSkipper> | undefined;
  readonly #blocks = new HeaderBlockReader();
  readonly #flood = new FloodGuard();
  readonly #window: ReceiveWindow;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #eager = new Set<Http2Stream>();
  /** By the type of the frame; others are ignored, as the RFC wants it. */
  readonly #takers: Readonly<Record<number, (head: FrameHead, payload: Buffer) => void>> = {
    [frameType.data]: (head, payload) => this.#takePadded(head, payload),
    [frameType.headers]: (head, payload) => this.#takeHeaders(head, payload),
    [frameType.continuation]: (head, payload) => this.#takeHeaders(head, payload),
    [frameType.reset]: (head, payload) => this.#takeReset(head, payload),
    [frameType.settings]: (head, payload) => this.#takeSettings(head, payload),
    [frameType.pushPromise]: (head) => this.#refusePush(head),
    [frameType.ping]: (head, payload) => this.#takePing(head, payload),
    [frameType.goAway]: (_, payload) => this.#takeGoAway(payload),
    [frameType.windowUpdate]: (head, payload) => this.#takeWindowUpdate(head, payload),
  };
  #hasSettings = false;
  #lastStream = 0;
  #peerStreamWindow = initialWindowBytes;
  /** The stream of the DATA that is coming. */
  #receiving: Http2Stream | undefined;
  #ended: Error | undefined;

  constructor(side: "client" | "server", options: ConnectionOptions) {
    this.#isServer = side === "server";
    this.#options = options;
    this.#window = new ReceiveWindow(options.windowBytes);
    this.sender = new FrameSender(options.outlet);
    this.#reader = new FrameReader({
      onFrame: (head, payload) => this.#takeFrame(head, payload),
      onDataHead: (head) => this.#beginData(head),
      onData: (chunk, start, end) => this.#receiving?.deliver(chunk, start, end),
      onDataEnd: (head) => this.#endData(head),
    });
    if (this.#isServer) {
      this.#skipPreface = createPrefaceSkipper();
      greetClient(this.sender, { ...options, maxCalls });
    } else {
      greetServer(options.outlet, this.sender, options);
    }
  }

  /** Takes bytes of the other side; they are read when this returns. Faults in them end the connection. */
  receive(chunk: Buffer, start: number, end: number): void {
    if (this.#ended !== undefined) return;
    try {
      this.#reader.read(chunk, this.#skipPreface?.(chunk, start, end) ?? start, end);
      if (this.#options.outlet.room() < -maxBehindBytes)
        throw new Http2Error("ENHANCE_YOUR_CALM", "answers are asked for and not taken");
    } catch (error) {
      const code = error instanceof Http2Error ? error.code : errorCode.PROTOCOL_ERROR;
      this.#sendGoAway(code);
      this.close(error as Error);
    }
  }

  /** Of a client: begins a call. Its stream is closed where the connection is over. */
  request(headers: readonly Header[]): Http2Stream {
    const stream = this.#open(this.#lastStream === 0 ? firstCall : this.#lastStream + 2);
    if (this.#ended === undefined) this.sender.headers(stream.id, encodeHeaders(headers), { isLast: false });
    else stream.close(this.#ended);
    return stream;
  }

  /** Sends what waits as far as there is room, each stream in its turn. */
  pump(added?: Http2Stream): void {
    if (added !== undefined) this.#eager.add(added);
    for (let isMoving = true; isMoving; ) {
      isMoving = false;
      for (const stream of this.#eager) {
        if (stream.sendTurn()) isMoving = true;
        if (!stream.isWaiting) this.#eager.delete(stream);
      }
    }
    this.#options.onRoom?.();
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#eager.delete(stream);
  }

  /** Ends the connection and all its streams. */
  close(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const stream of [...this.#streams.values()]) stream.close(reason);
    this.#options.onEnd(reason);
  }

  #open(id: number): Http2Stream {
    const windows = { send: this.#peerStreamWindow, receive: this.#options.streamWindowBytes };
    const stream = new Http2Stream(id, this, windows);
    this.#streams.set(id, stream);
    this.#lastStream = id;
    return stream;
  }

  #checkOrder({ type, flags: bits }: FrameHead): void {
    if (!this.#hasSettings && (type !== frameType.settings || (bits & flags.acknowledged) !== 0))
      throw new Http2Error("PROTOCOL_ERROR", "what comes first are not SETTINGS");
    if (this.#blocks.isOpen && type !== frameType.continuation)
      throw new Http2Error("PROTOCOL_ERROR", "headers are interrupted");
  }

  #beginData(head: FrameHead): void {
    this.#checkOrder(head);
    if (head.length === 0 || (head.flags & flags.padded) !== 0) this.#flood.spend();
    this.#flood.pass(head.length);
    this.#receiving = this.#find(head.stream);
    this.#window.take(head.length);
    this.#receiving?.expect(head.length);
  }

  #endData({ length, flags: bits }: FrameHead): void {
    const owed = this.#window.giveBack(length);
    if (owed > 0) this.sender.windowUpdate(0, owed);
    if ((bits & flags.endStream) !== 0) this.#receiving?.end();
    this.#receiving = undefined;
  }

  /** @returns undefined for a stream that is over: what was under way then is no fault */
  #find(id: number): Http2Stream | undefined {
    if (id === 0 || id > this.#lastStream) throw new Http2Error("PROTOCOL_ERROR", `stream ${id} was never opened`);
    return this.#streams.get(id);
  }

  #takeFrame(head: FrameHead, payload: Buffer): void {
    this.#checkOrder(head);
    if (head.type !== frameType.data) this.#flood.spend();
    this.#takers[head.type]?.(head, payload);
  }

  #takePadded(head: FrameHead, payload: Buffer): void {
    const end = payload.length - (payload[0] ?? 0);
    if (end < 1) throw new Http2Error("PROTOCOL_ERROR", "data that is nothing but padding");
    this.#beginData(head);
    this.#receiving?.deliver(payload, 1, end);
    this.#endData(head);
  }

  #takeHeaders(head: FrameHead, payload: Buffer): void {
    const block = this.#blocks.take(head, payload);
    if (block === undefined) return;
    const known = this.#streams.get(block.stream);
    const stream = known ?? this.#accept(block.stream);
    if (stream === undefined) return;
    // What a client says at the end of its call has no meaning in gRPC.
    if (!this.#isServer) stream.answer(block.headers);
    else if (known === undefined) this.#options.onHeaders?.(stream, block);
    if (block.isLast) stream.end();
  }

  #accept(id: number): Http2Stream | undefined {
    if (id <= this.#lastStream || this.#ended !== undefined) return undefined;
    if (!this.#isServer || id % 2 === 0) throw new Http2Error("PROTOCOL_ERROR", `stream ${id} is not for this side`);
    const stream = this.#open(id);
    if (this.#streams.size <= maxCalls) return stream;
    stream.reset("REFUSED_STREAM", new Error("too many calls at a time"));
    return undefined;
  }

  #takeReset({ stream: id }: FrameHead, payload: Buffer): void {
    this.#find(id)?.close(new Error(`the daemon has given the call up (${numberOf(payload)})`));
  }

  #takeSettings({ flags: bits, stream }: FrameHead, payload: Buffer): void {
    if (stream !== 0) throw new Http2Error("PROTOCOL_ERROR", "SETTINGS of a stream");
    this.#hasSettings = true;
    if ((bits & flags.acknowledged) !== 0) return;
    const window = readInitialWindow(payload) ?? this.#peerStreamWindow;
    for (const each of this.#streams.values()) {
      each.sendWindowBytes = widen(each.sendWindowBytes, window - this.#peerStreamWindow);
    }
    this.#peerStreamWindow = window;
    this.sender.frame({ type: frameType.settings, flags: flags.acknowledged, stream: 0 }, Buffer.alloc(0));
    this.pump();
  }

  #takePing({ flags: bits }: FrameHead, payload: Buffer): void {
    if (payload.length !== 8) throw new Http2Error("FRAME_SIZE_ERROR", `a PING of ${payload.length} bytes`);
    if ((bits & flags.acknowledged) === 0)
      this.sender.frame({ type: frameType.ping, flags: flags.acknowledged, stream: 0 }, payload);
  }

  #refusePush({ stream }: FrameHead): void {
    throw new Http2Error("PROTOCOL_ERROR", `a push on stream ${stream}, which nobody may send`);
  }

  /** Without an error it says that there will be no new calls: those that run go on. */
  #takeGoAway(payload: Buffer): void {
    const code = payload.length < 8 ? errorCode.PROTOCOL_ERROR : payload.readUInt32BE(4);
    if (code === errorCode.NO_ERROR) return;
    throw new Error(`the daemon ends the connection with HTTP/2 error ${code}: ${payload.toString("utf8", 8, 1000)}`);
  }

  #takeWindowUpdate({ stream: id }: FrameHead, payload: Buffer): void {
    const bytes = numberOf(payload) & maxWindowBytes;
    if (bytes === 0) throw new Http2Error("PROTOCOL_ERROR", "a window is widened by nothing");
    // So many bytes of ours have been read.
    this.#flood.pass(bytes);
    const stream = id === 0 ? undefined : this.#find(id);
    if (id === 0) this.sender.windowBytes = widen(this.sender.windowBytes, bytes);
    if (stream !== undefined) stream.sendWindowBytes = widen(stream.sendWindowBytes, bytes);
    this.pump();
  }

  #sendGoAway(code: number): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#isServer ? this.#lastStream : 0);
    payload.writeUInt32BE(code, 4);
    this.sender.frame({ type: frameType.goAway, flags: flags.none, stream: 0 }, payload);
  }
}

function numberOf(payload: Buffer): number {
  if (payload.length !== 4) throw new Http2Error("FRAME_SIZE_ERROR", `a frame of ${payload.length} bytes, expected 4`);
  return payload.readUInt32BE(0);
}

function widen(window: number, bytes: number): number {
  if (window + bytes > maxWindowBytes) throw new Http2Error("FLOW_CONTROL_ERROR", "a window is widened too far");
  return window + bytes;
}
