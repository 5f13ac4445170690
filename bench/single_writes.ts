/** natter as it would be if it wrote every message by itself, as it does for classic clients: the baseline that shows what writing them together gives. */
import { Connection } from "../src/net/connection.ts";

const { flush } = Connection.prototype;
Connection.prototype.flush = function () {
  this.classic = true;
  flush.call(this);
};
await import("../main.ts");
