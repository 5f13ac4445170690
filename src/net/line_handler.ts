import type { Fault } from "../wire/lines.ts";
import type { Connection } from "./connection.ts";

/** What a transport calls with what it reads; the server implements it. */
export interface LineHandler {
  /** One line. The next one comes when the promise (if any) has resolved. Never throws. */
  line(connection: Connection, line: string): void | Promise<void>;
  /** The input cannot be read on. The handler ends the connection. */
  fault(connection: Connection, fault: Fault): void;
  /** The client's FIN came, and all its lines were handled. The handler ends the connection. */
  end(connection: Connection): Promise<void>;
}
