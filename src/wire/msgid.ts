/** The numbers of the messages, by themselves: those who only send need not load the schemas. */

/** Every msgid of `docs/protocol.md`. */
export const Msg = {
  LOGIN: 1,
  LOGIN_ACK: 2,
  LOGOUT: 3,
  REGISTER: 4,
  REGISTER_ACK: 5,
  CHAT: 6,
  ADD_FRIEND: 7,
  CREATE_GROUP: 8,
  JOIN_GROUP: 9,
  GROUP_CHAT: 10,
  REPLY: 11,
  RECEIVED: 12,
  PING: 13,
  PONG: 14,
  PRESENCE: 15,
  HISTORY: 16,
  CONTACTS: 17,
  REMOVE_FRIEND: 18,
  LEAVE_GROUP: 19,
  GOODBYE: 20,
  SIGNAL: 21,
  CHANGE_PASSWORD: 22,
  BLOCK: 23,
  UNBLOCK: 24,
} as const;
