/**
 * The files of a message: pictures, sounds and films as such, others to be saved. Their room is reserved before they are here; of what is not on the server any
 * more it is said so.
 */
import type { JSX, TargetedMouseEvent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isLost } from "../../client/files.ts";
import type { FileTold } from "../../client/natter_client.ts";
import { addressOf, sizeOf } from "../format.ts";
import { t } from "../i18n.ts";
import type { Key, Line } from "../state/model.ts";
import { useParts } from "./context.ts";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icons.tsx";

/** Most of a picture's width and height in the conversation (CSS pixels). */
const PICTURE_SIDE = 320;

export function Attachments({ conversation, line }: { conversation: Key; line: Line }): JSX.Element {
  const { talk } = useParts();
  const files = line.files!;
  const untold = line.state === "stored" && files.some(({ url }) => url === "");
  useEffect(() => {
    if (untold) void talk.pages.files(conversation, line.messageid);
  }, [untold]);
  return <span class="files">{files.map((file) => <Attachment key={file.id} file={file} />)}</span>;
}

function Attachment({ file }: { file: FileTold }): JSX.Element {
  const { store } = useParts();
  const { name, type, url, width, height } = file;
  const [lost, setLost] = useState(false);
  const look = () => void isGone(file).then(setLost);
  if (lost) return <Lost file={file} />;
  if (width && height && type.startsWith("image/")) {
    const scale = Math.min(1, PICTURE_SIDE / width, PICTURE_SIDE / height);
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    return (
      <button
        type="button"
        class="picture"
        aria-label={t.openPicture(name)}
        disabled={url === ""}
        onClick={() => store.update({ dialog: "picture", picture: file })}
      >
        {/* Without an address too it takes its room. */}
        <img {...size} alt="" {...url === "" ? {} : { src: addressOf(file.url), onError: look }} />
      </button>
    );
  }
  if (url !== "" && type.startsWith("video/")) {
    return <video class="film" controls preload="metadata" src={addressOf(file.url)} aria-label={name} onError={look} />;
  }
  return (
    <>
      {url !== "" && type.startsWith("audio/") && <audio controls preload="none" src={addressOf(file.url)} aria-label={name} onError={look} />}
      <span class="file">
        <Icon name="file" />
        <span class="file-text">
          <bdi class="file-name">{name || t.file}</bdi>
          <span class="fine">{sizeOf(file.size)} · {type}</span>
        </span>
        {url !== "" && <Save file={file} lost={() => setLost(true)} />}
      </span>
    </>
  );
}

/** What the browser would save is what the server says instead of the file: so it is asked before. */
function Save({ file, lost }: { file: FileTold; lost(): void }): JSX.Element {
  const save = async (event: TargetedMouseEvent<HTMLAnchorElement>) => {
    const link = event.currentTarget;
    // The click that follows from here.
    if (!event.isTrusted) return;
    event.preventDefault();
    if (await isGone(file)) lost();
    else link.click();
  };
  return (
    <a class="save" href={addressOf(file.url)} download={file.name} aria-label={t.saveFile(file.name)} onClick={(event) => void save(event)}>
      {t.save}
    </a>
  );
}

function Lost({ file: { name } }: { file: FileTold }): JSX.Element {
  return (
    <span class="file">
      <Icon name="alert" />
      <span class="file-text">
        <bdi class="file-name">{name || t.file}</bdi>
        <span class="fine" role="status">{t.lostFile}</span>
      </span>
    </span>
  );
}

/** Whether the server says that the file is not there. */
async function isGone({ url }: FileTold): Promise<boolean> {
  try {
    return isLost((await fetch(addressOf(url), { method: "HEAD" })).status);
  } catch {
    // Nobody knows.
    return false;
  }
}

export function PictureDialog({ file }: { file: FileTold }): JSX.Element {
  const { name, width, height, size } = file;
  const [lost, setLost] = useState(false);
  return (
    <Dialog title={name}>
      {lost ? <Lost file={file} /> : (
        <>
          <img class="opened" src={addressOf(file.url)} alt={name} width={width} height={height} onError={() => void isGone(file).then(setLost)} />
          <p class="fine">
            {width} × {height} · {sizeOf(size)} · <Save file={file} lost={() => setLost(true)} />
          </p>
        </>
      )}
    </Dialog>
  );
}
