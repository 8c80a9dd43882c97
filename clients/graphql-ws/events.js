// Follows the events of a cell with no gap and no repeat, over reconnections and restarts of the
// gateway.
//
// The client comes back by itself and subscribes with the variables that it was given. They are kept
// up to date with the cursor of the newest event, so that it comes back to where it was.

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const EVENTS = `
  subscription Events($since: String!, $filter: EventFilter) {
    events(since: $since, filter: $filter) { cursor time name job task agent body }
  }`;
const RETRY_AFTER_MS = 50;

/**
 * Calls `take` with every event from `since` on: "start", "now", an offset, or a cursor that was kept.
 * The promise `done` ends with the stream: after `stop`, or with an error that trying again cannot help.
 */
export function followEvents(url, { since = "now", filter = null, take, connected = () => {} }) {
  const variables = { since, filter };
  const client = createClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    // A gateway that is away comes back; whoever waits for it less patiently calls `stop`.
    retryAttempts: Number.MAX_SAFE_INTEGER,
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS)),
    on: { connected },
  });
  let stop;
  const done = new Promise((resolve, reject) => {
    stop = client.subscribe(
      { query: EVENTS, variables },
      {
        next({ data, errors }) {
          if (errors) return reject(new AggregateError(errors, "the stream of events failed"));
          for (const event of data.events) {
            take(event);
            variables.since = event.cursor;
          }
        },
        error: (error) => reject(Array.isArray(error) ? new AggregateError(error, "the stream of events failed") : error),
        complete: resolve,
      },
    );
  });
  return {
    done,
    async stop() {
      stop();
      await client.dispose();
      await done;
    },
  };
}
