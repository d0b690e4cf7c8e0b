/** The parts of kafkajs 2.2.4 that it does not type: the request queue whose idle timer is mended, and the broker-level fetch. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    pending: unknown[];
    throttledUntil: number;
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}
