/** One's picture: chosen, made small here, and uploaded. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { FileRefused, upload } from "../../client/files.ts";
import { Silence } from "../../client/silence.ts";
import { explainUpload, serverUrl } from "../format.ts";
import { t } from "../i18n.ts";
import { useParts } from "./context.ts";
import { useProfile } from "./use_profile.ts";
import { useRequest } from "./use_request.ts";

/** As large as it is shown at most, on a screen of double density (px). */
const SIDE = 256;
const QUALITY = 0.85;

export function PictureSettings({ id }: { id: number }): JSX.Element {
  const { account, talk } = useParts();
  const { busy, error, run } = useRequest(explainUpload);
  const field = useRef<HTMLInputElement>(null);
  const picture = useProfile(id)?.avatar;
  const use = async (avatar: number | "") => {
    await account.client.profile({ avatar });
    talk.names.again(id);
  };
  const choose = (file: File | undefined) => {
    if (!file) return;
    void run(async () => {
      const picture = await small(file), silence = new Silence();
      // It goes in one piece.
      silence.moved();
      const to = { url: serverUrl(), token: account.token, name: "picture.webp", signal: silence.signal };
      const { id } = await upload(picture, to).finally(() => silence.end());
      await use(id);
    });
  };
  return (
    <>
      <h3>{t.picture}</h3>
      {error && <p class="error" role="alert">{error}</p>}
      <input
        ref={field}
        type="file"
        accept="image/*"
        hidden
        aria-label={t.picture}
        onChange={({ currentTarget }) => {
          choose(currentTarget.files?.[0]);
          // The same one again is a choice as well.
          currentTarget.value = "";
        }}
      />
      <p class="buttons">
        <button type="button" class="quiet" disabled={busy} onClick={() => field.current!.click()}>{t.choosePicture}</button>
        {picture !== undefined && (
          <button type="button" class="quiet" disabled={busy} onClick={() => void run(() => use(""))}>{t.removePicture}</button>
        )}
      </p>
    </>
  );
}

/** The middle of a picture, as a square. Rejects with {@linkcode FileRefused} 415 if it is none that this browser can read. */
async function small(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new FileRefused(415, "no picture");
  });
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  canvas.getContext("2d")!.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  bitmap.close();
  return await canvas.convertToBlob({ type: "image/webp", quality: QUALITY });
}
