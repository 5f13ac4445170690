/** What a user says of themselves, for as long as it is shown. */
import { useEffect, useState } from "preact/hooks";
import type { User } from "../../client/natter_client.ts";
import { useParts } from "./context.ts";

/** Undefined: nobody's is wanted, or it is not known (yet). */
export function useProfile(id: number | undefined): User | undefined {
  const { talk: { names } } = useParts();
  const look = () => id === undefined ? undefined : names.look(id);
  const [profile, setProfile] = useState(look);
  useEffect(() => {
    setProfile(look());
    return id === undefined ? undefined : names.onKnown(() => setProfile(look()));
  }, [id]);
  return profile;
}
