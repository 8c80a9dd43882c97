// The graphql-ws client against the real binary, which is killed and started again meanwhile.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { followEvents } from "./events.js";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const QUIPU = join(TARGET, "debug", "quipu");
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 20;
const JOBS = 40;

class Cell {
  dir = mkdtempSync(join(tmpdir(), "quipu-client-"));

  async start() {
    const options = ["up", "--dir", this.dir, "--listen", "127.0.0.1:0", "--no-agent"];
    this.process = spawn(QUIPU, options, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, RUST_LOG: "error" } });
    await waitFor("the gateway to be ready", async () => {
      this.url = readFileSync(join(this.dir, "gateway-url"), "utf8").trim();
      return (await fetch(`${this.url}/readyz`)).ok;
    });
  }

  async kill() {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  async ask(query, variables = {}) {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new AggregateError(errors, JSON.stringify(errors));
    return data;
  }

  /** Submits a job until that is acknowledged: under one key it counts once. */
  async submit(name) {
    const query = "mutation($input: SubmitJobInput!) { submitJob(input: $input) { userErrors { message } } }";
    const job = { name, kind: "BATCH", resources: "cpu=0.1 mem=16Mi", command: ["true"] };
    const { submitJob } = await waitFor("an acknowledgement", () => this.ask(query, { input: { job, key: `key-${name}` } }));
    assert.deepEqual(submitJob.userErrors, []);
  }

  /** Every event, page by page. */
  async events() {
    const query = `query($after: String) { events(first: 100, after: $after) {
      nodes { cursor time name job task agent body } lookedTo pageInfo { hasNextPage } } }`;
    const all = [];
    for (let after = "start"; ; ) {
      const { events } = await this.ask(query, { after });
      all.push(...events.nodes);
      if (!events.pageInfo.hasNextPage) return all;
      after = events.lookedTo;
    }
  }

  async end() {
    // Reaped before `quipu down` looks whether it still runs.
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    spawnSync(QUIPU, ["down", "--dir", this.dir, "--kill-tasks"]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Tries until there is an answer; what is thrown meanwhile counts as none. */
async function waitFor(what, look) {
  const until = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < until) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`waited ${PATIENCE_MS} ms for ${what}`, { cause: last });
}

test("events are followed over a gateway that is killed and comes back, with no gap and no repeat", async (t) => {
  const cell = new Cell();
  t.after(() => cell.end());
  await cell.start();
  const seen = [];
  let connections = 0;
  const following = followEvents(cell.url, {
    since: "start",
    take: (event) => seen.push(event),
    connected: () => (connections += 1),
  });
  following.done.catch(() => {});
  // By then the cell has ended, and the stream may have ended with it.
  t.after(() => Promise.resolve(following.stop()).catch(() => {}));

  const submitting = (async () => {
    for (let n = 0; n < JOBS; n += 1) await cell.submit(`j${n}`);
  })();
  const accepted = () => seen.filter((event) => event.name === "job.accepted").length;
  for (const count of [JOBS / 4, JOBS / 2]) {
    await waitFor(`${count} accepted jobs`, () => accepted() >= count);
    const before = connections;
    await cell.kill();
    await cell.start();
    // Else the next kill could come first, and two kills would be one reconnection.
    await waitFor("the client to be back", () => connections > before);
  }
  await submitting;

  const known = await cell.events();
  await waitFor("the newest event", () => seen.some((event) => event.cursor === known.at(-1).cursor));
  assert.deepEqual(seen.slice(0, known.length), known);
  assert.equal(accepted(), JOBS);
  assert.ok(connections >= 3, `once, and again after each of two kills; the client connected ${connections} times`);
});

test("an error that trying again cannot help ends the stream", async (t) => {
  const cell = new Cell();
  t.after(() => cell.end());
  await cell.start();
  const following = followEvents(cell.url, { since: "yesterday", take: () => {} });
  await assert.rejects(following.done, (error) => error.errors[0].extensions.code === "BAD_INPUT");
});
