/**
 * How large a picture is, from its header; nothing is decoded. Written here, since what npm has for it (`image-size`) reads hostile headers in quadratic time,
 * and does not find the size of a photo behind a long description.
 *
 * At most {@linkcode MOST_STEPS} places of a file are looked at, each of them small.
 */

/** Pixels, as it is shown. */
export interface ImageSize {
  /** From left to right. */
  width: number;
  /** From top to bottom. */
  height: number;
}

/** Reads up to so many bytes at a place of the file; fewer at its end. */
export type ReadAt = (at: number, length: number) => Promise<Uint8Array>;

const MOST_STEPS = 200;
/** No picture is larger (pixels). */
const MOST_PIXELS = 100_000;
/** Of a JPEG's description, in whose beginning it is said which side is up; and of an AVIF's (bytes). */
const EXIF = 4096, AVIF = 4096;

/** The size of a picture of this type; undefined: it is not to be found. */
export async function imageSize(type: string, read: ReadAt): Promise<ImageSize | undefined> {
  const size = await look(type, read).catch((error) => {
    // It ends before what it promises.
    if (error instanceof RangeError) return undefined;
    throw error;
  });
  if (!size) return undefined;
  const sound = (side: number) => side >= 1 && side <= MOST_PIXELS;
  return sound(size.width) && sound(size.height) ? size : undefined;
}

async function look(type: string, read: ReadAt): Promise<ImageSize | undefined> {
  switch (type) {
    case "image/png": {
      const view = viewOf(await read(16, 8));
      return { width: view.getUint32(0), height: view.getUint32(4) };
    }
    case "image/gif": {
      const view = viewOf(await read(6, 4));
      return { width: view.getUint16(0, true), height: view.getUint16(2, true) };
    }
    case "image/webp":
      return webp(viewOf(await read(12, 18)));
    case "image/avif":
      return avif(await read(0, AVIF));
    case "image/jpeg":
      return await jpeg(read);
    default:
      return undefined;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** From the name of the first chunk on. */
function webp(view: DataView): ImageSize | undefined {
  const u24 = (at: number) => view.getUint16(at, true) | view.getUint8(at + 2) << 16;
  switch (view.getUint32(0)) {
    case 0x56503858: // VP8X
      return { width: u24(12) + 1, height: u24(15) + 1 };
    case 0x56503820: // VP8, lossy
      return { width: view.getUint16(14, true) & 0x3fff, height: view.getUint16(16, true) & 0x3fff };
    case 0x5650384c: { // VP8L, lossless
      const bits = view.getUint32(9, true);
      return { width: (bits & 0x3fff) + 1, height: (bits >>> 14 & 0x3fff) + 1 };
    }
    default:
      return undefined;
  }
}

/** The largest of the sizes (`ispe`) in its description: others are those of tiles and previews. */
function avif(head: Uint8Array): ImageSize | undefined {
  const view = viewOf(head);
  let largest: ImageSize | undefined;
  for (let at = 0; at + 16 <= head.length; at++) {
    if (view.getUint32(at) !== 0x69737065) continue;
    const size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12) };
    if (!largest || size.width * size.height > largest.width * largest.height) largest = size;
  }
  return largest;
}

/** Walks over the segments to that with the size. */
async function jpeg(read: ReadAt): Promise<ImageSize | undefined> {
  let turned = false;
  for (let at = 2, step = 0; step < MOST_STEPS; step++) {
    const view = viewOf(await read(at, 9));
    if (view.getUint8(0) !== 0xff) return undefined;
    const marker = view.getUint8(1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    // SOF0 to SOF15, without DHT, JPG and DAC.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      const height = view.getUint16(5), width = view.getUint16(7);
      return turned ? { width: height, height: width } : { width, height };
    }
    const length = view.getUint16(2);
    if (length < 2) return undefined;
    if (marker === 0xe1) turned ||= liesOnItsSide(await read(at + 4, Math.min(length - 2, EXIF)));
    at += 2 + length;
  }
  return undefined;
}

/** Whether an Exif description says that the picture is turned by a quarter. */
function liesOnItsSide(exif: Uint8Array): boolean {
  const view = viewOf(exif);
  // "Exif", two NUL, then TIFF: the byte order, and where the first list of entries stands.
  if (exif.length < 14 || view.getUint32(0) !== 0x45786966) return false;
  const little = view.getUint16(6) === 0x4949;
  const list = 6 + view.getUint32(10, little);
  if (list + 2 > exif.length) return false;
  const entries = view.getUint16(list, little);
  for (let i = 0, at = list + 2; i < entries && at + 12 <= exif.length; i++, at += 12) {
    if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little) >= 5;
  }
  return false;
}
