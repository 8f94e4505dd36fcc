import { expect, test } from "vitest";
import { encodeHeaders, type Header, HpackDecoder } from "../../src/buildkit/hpack.ts";
import { decodeHuffman } from "../../src/buildkit/hpack-huffman.ts";
import { staticTable } from "../../src/buildkit/hpack-static-table.ts";

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

function decode(hex: string): Header[] {
  return new HpackDecoder(65_536).decode(bytes(hex));
}

const requests: readonly (readonly Header[])[] = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];

const found: readonly Header[] = [
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
];
const responses: readonly (readonly Header[])[] = [
  [[":status", "302"], ...found],
  [[":status", "307"], ...found],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];
/** The RFC's examples of responses have a table of 256 bytes, which is said here by the first block. */
const smallTable = "3fe101";

test.for([
  {
    example: "C.2.1",
    hex: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
    header: ["custom-key", "custom-header"],
  },
  { example: "C.2.2", hex: "040c 2f73 616d 706c 652f 7061 7468", header: [":path", "/sample/path"] },
  { example: "C.2.3", hex: "1008 7061 7373 776f 7264 0673 6563 7265 74", header: ["password", "secret"] },
  { example: "C.2.4", hex: "82", header: [":method", "GET"] },
])("a header is read as in RFC 7541, $example", ({ hex, header }) => {
  expect(decode(hex)).toEqual([header]);
});

test.for([
  {
    example: "C.3",
    expected: requests,
    blocks: [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
  },
  {
    example: "C.4",
    expected: requests,
    blocks: [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  },
  {
    example: "C.5",
    expected: responses,
    blocks: [
      `${smallTable} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
       3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`.replace(/\s+/gu, ""),
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
       4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
       7369 6f6e 3d31`.replace(/\s+/gu, ""),
    ],
  },
  {
    example: "C.6",
    expected: responses,
    blocks: [
      `${smallTable} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
       1718 63c7 8f0b 97c8 e9ae 82ae 43d3`.replace(/\s+/gu, ""),
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
       cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`.replace(/\s+/gu, ""),
    ],
  },
])("blocks of one connection are read as in RFC 7541, $example", ({ expected, blocks }) => {
  const decoder = new HpackDecoder(65_536);
  expect(blocks.map((block) => decoder.decode(bytes(block)))).toEqual(expected);
});

test("the static table is whole", () => {
  expect(staticTable).toHaveLength(61);
  expect(new Set(staticTable.map((header) => header.join())).size).toBe(61);
  expect(staticTable[60]).toEqual(["www-authenticate", ""]);
});

test("what we write is read again: long, empty, repeated and full of strange bytes", () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("latin1");
  const headers: Header[] = [
    [":path", "/a.B/C"],
    ["empty", ""],
    ["followpaths", "a, b"],
    ["followpaths", "c"],
    ["long", everyByte.repeat(1000)],
    ["x".repeat(127), "y".repeat(128)],
  ];
  expect(new HpackDecoder(10_000_000).decode(encodeHeaders(headers))).toEqual(headers);
});

test.for([
  ["breaks off in a name", "400a6375"],
  ["breaks off in a number", "ffff"],
  ["breaks off after an index", "41"],
  ["has a number without an end", "ffffffffffffffffff01"],
  ["names a header that is not there", "c0"],
  ["names header 0", "80"],
  ["makes the table larger than agreed", "3fe21f"],
  ["sizes the table after a header", "8220"],
  ["holds the end of a Huffman string", "4084ffffffff00"],
  ["holds a Huffman string with too long an end", "4082ffff00"],
  ["holds a Huffman string whose end is not all ones", "408118 00"],
] as const)("a block that %s is refused", ([, hex]) => {
  expect(() => decode(hex)).toThrow();
});

test("a few bytes that stand for very many are refused", () => {
  const large = encodeHeaders([["x", "y".repeat(4000)]]);
  // The same header, but remembered; then named again and again.
  const remembered = Buffer.concat([Buffer.from([0x40]), large.subarray(2)]);
  const bomb = Buffer.concat([remembered, Buffer.alloc(10_000, 0xbe)]);
  expect(() => new HpackDecoder(1_000_000).decode(bomb)).toThrow("more than 1000000 bytes");
});

test("every symbol of the Huffman code is found", () => {
  expect(decodeHuffman(bytes("f1e3 c2e5 f23a 6ba0 ab90 f4ff")).toString()).toBe("www.example.com");
  expect(decodeHuffman(Buffer.alloc(0))).toHaveLength(0);
  // Byte 0 is 13 ones and zeros, 10 (line feed) is 30: the RFC's table, appendix B.
  expect([...decodeHuffman(bytes("ffc7"))]).toEqual([0]);
  expect([...decodeHuffman(bytes("fffffff3"))]).toEqual([10]);
  expect([...decodeHuffman(bytes("fffffbbf"))]).toEqual([255]);
});
