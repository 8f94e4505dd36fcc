import { expect, test } from "vitest";
import { allowedDeployment, secretOfOwner } from "../../src/model/deployment-policy.ts";
import { parseStack } from "../../src/model/stack.ts";

function allowed(text: string) {
  const lines = text.split("\n").map((line) => `    ${line}\n`);
  const [definition] = parseStack(`provider: {name: openfaas}\nfunctions:\n  fn:\n${lines.join("")}`, "s").functions;
  if (!definition) throw new Error("no function");
  return allowedDeployment(definition.deployment);
}

test("S12 what means the function alone is kept as it is, topic and schedule, too", () => {
  const { deployment, refused } = allowed(
    [
      "labels: {com.openfaas.scale.zero: 'False'}",
      "annotations: {topic: a, schedule: '* * * * *', com.openfaas.health.http.path: /h}",
      "secrets: [key, my-key.v1]",
      "limits: {memory: 128Mi, cpu: 100m}",
      "requests: {memory: 0.5Gi}",
      "environment: {A: b}",
      "fprocess: node x",
      "readonly_root_filesystem: true",
    ].join("\n"),
  );
  expect(refused).toEqual([]);
  expect(deployment).toMatchObject({
    labels: { "com.openfaas.scale.zero": "False" },
    annotations: { topic: "a", schedule: "* * * * *", "com.openfaas.health.http.path": "/h" },
    secrets: ["key", "my-key.v1"],
    limits: { memory: "128Mi", cpu: "100m" },
    requests: { memory: "0.5Gi", cpu: "" },
    environment: { A: "b" },
    fprocess: "node x",
    readonlyRootFilesystem: true,
  });
});

test.for([
  ["S13 readonly_root_filesystem: false", { readonlyRootFilesystem: false }],
  ["S13 readonly_root_filesystem: true", { readonlyRootFilesystem: true }],
  ["S13 fprocess: sh -c 'cat /etc/passwd'", { fprocess: "sh -c 'cat /etc/passwd'" }],
] as const)("%s is kept: it reaches no further than the function's own container", ([line, kept]) => {
  const { deployment, refused } = allowed(line.slice(4));
  expect(refused).toEqual([]);
  expect(deployment).toEqual({ ...allowed("lang: x").deployment, ...kept });
});

test.for([
  ["S12 labels: {com.openfaas.cloud.git-owner: other}", 'label "com.openfaas.cloud.git-owner"'],
  ["S12 labels: {com.openfaas.scale.max: '1000'}", 'label "com.openfaas.scale.max"'],
  ["S12 labels: {COM.OPENFAAS.scale.zero: 'true'}", 'label "COM.OPENFAAS.scale.zero"'],
  ["S12 labels: {com.openfaas.scale.zero: '0; x'}", "expected true or false"],
  ["S12 labels: {role: openfaas-system}", 'label "role"'],
  ["S12 labels: {faas_function: other-fn}", 'label "faas_function"'],
  ["S12 labels: {__proto__: x}", 'label "__proto__"'],
  ["S12 annotations: {com.openfaas.cloud.git-repo-url: x}", "annotation"],
  ["S12 annotations: {container.apparmor.security.beta.kubernetes.io/fn: unconfined}", "annotation"],
  ["S12 secrets: [../other]", 'secret "../other"'],
  ["S12 secrets: [a--b]", 'secret "a--b"'],
  ["S12 secrets: ['']", 'secret ""'],
  ["S13 namespace: kube-system", "the installation chooses it"],
  ["S13 constraints: [node-role.kubernetes.io/control-plane=true]", "the installation chooses where"],
  ["S13 limits: {memory: '1e99'}", "limits.memory"],
  ["S13 requests: {cpu: '-1'}", "requests.cpu"],
] as const)("%s is left out", ([line, reason]) => {
  const { deployment, refused } = allowed(line.slice(4));
  expect(refused).toEqual([expect.stringContaining(reason)]);
  const { labels, annotations, secrets, constraints, namespace, limits, requests } = deployment;
  expect([labels, annotations, secrets, constraints, namespace].flatMap((each) => Object.keys(each))).toEqual([]);
  expect([limits, requests]).toEqual([
    { memory: "", cpu: "" },
    { memory: "", cpu: "" },
  ]);
});

test("a secret has OpenFaaS Cloud's name where no other owner can have it", () => {
  expect(secretOfOwner("Alex", "key")).toBe("alex-key");
  expect(secretOfOwner("alex-ellis", "key")).toMatch(/^alex-ellis--[0-9a-f]{16}-key$/);
});

test("S12 no two owners reach one secret, however their names are cut", () => {
  const words = ["a", "b", "a-b", "b-a", "a-b-a", "a_b", "a-", "-a", "é"];
  const owned = words.flatMap((owner) => words.map((name) => [owner, name] as const));
  const allowedNames = owned.filter(([, name]) => allowed(`secrets: ['${name}']`).refused.length === 0);
  const names = allowedNames.map(([owner, name]) => secretOfOwner(owner, name));
  expect(names.length).toBeGreaterThan(40);
  expect(new Set(names).size).toBe(names.length);
});
