/** The headers that both sides of HPACK know from the start (RFC 7541, appendix A), by their index from 1 on. */
export const staticTable: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  ...["200", "204", "206", "304", "400", "404", "500"].map((code) => [":status", code] as const),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"].map(named),
  ...["authorization", "cache-control", "content-disposition", "content-encoding", "content-language"].map(named),
  ...["content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"].map(named),
  ...["expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"].map(named),
  ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate"].map(named),
  ...["proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie"].map(named),
  ...["strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate"].map(named),
];

function named(name: string): readonly [string, string] {
  return [name, ""];
}
