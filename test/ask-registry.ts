const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/** Asks a registry for a blob, or for the manifest of one image: `http://HOST/v2/REPOSITORY/manifests/TAG`. */
export function askRegistry(
  url: string,
  options: { method?: "GET" | "HEAD"; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(url, { ...options, headers: { accept } });
}
