/** What is asked of the server for the user who is here. */
import { ConnectionLost, type NatterClient } from "../../client/natter_client.ts";
import type { Account } from "./account.ts";

/**
 * Asks. The server may answer when the user has logged out, and another one is here: then it rejects with {@linkcode ConnectionLost}, whatever the answer, as on a
 * connection that is lost. Else it rejects as the request does.
 */
export async function ask<T>(account: Pick<Account, "client">, request: (client: NatterClient) => Promise<T>): Promise<T> {
  const { client } = account;
  const over = () => {
    if (client !== account.client) throw new ConnectionLost("closed");
  };
  const answer = await request(client).catch((error) => {
    over();
    throw error;
  });
  over();
  return answer;
}
