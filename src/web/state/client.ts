/** The client library, as the page uses it. */
import { NatterClient, type Snapshot } from "../../client/natter_client.ts";
import { websocket } from "../../client/websocket_transport.ts";

/** A client of the server that the page came from. `resume`: what an earlier page left. */
export function makeClient(resume?: Snapshot): NatterClient {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = url.hash = "";
  return new NatterClient({ connect: websocket(url.href), ...(resume ? { resume } : {}) });
}
