// Files in a real Chromium: pictures and sounds are shown, and nothing of what was uploaded ever runs, however the browser is asked for it.

import { assert, assertEquals } from "@std/assert";
import { chromiumTest } from "./support/browser.ts";
import { makeUsers } from "./support/server.ts";

/** It says so where a script could: to the server, and in what the origin keeps. */
const SCRIPT = `try { localStorage.ran = 1 } catch {} try { top.ran = 1 } catch {} try { fetch("/ran") } catch {} new Image().src = "/ran"`;
const HTML = `<!doctype html><script>${SCRIPT}</script><img src=x onerror='${SCRIPT}'>`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" onload='${SCRIPT}'><script>${SCRIPT}</script></svg>`;

/** Nobody's friends. */
const HOSTILE: [name: string, body: string][] = [
  ["page.html", HTML],
  ["picture.png", HTML],
  ["picture.svg", SVG],
  ["picture.svg", `<?xml version="1.0"?>${SVG}`],
  ["page.xhtml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>${SCRIPT}</script></html>`],
  [
    "style.xml",
    `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">${SCRIPT}</x:script>`,
  ],
  ["script.js", SCRIPT],
  ["polyglot.gif", `GIF89a=0;${SCRIPT}//`],
  ["polyglot.html", `GIF89a${HTML}`],
  ["sound.mp3", `ID3\x03${HTML}`],
  ["paper.pdf", `%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n${HTML}`],
  ["archive.zip", `PK\x03\x04${HTML}`],
  ['x".html\r\ncontent-type: text/html', HTML],
  ["..", HTML],
  ["\u202egnp.html", HTML],
  ["", HTML],
];

chromiumTest(
  "leaving the policy aside",
  "files: what a browser could run never runs; pictures and sounds are shown as they are",
  async ({ server, db, person }) => {
    // Even where no policy forbids it.
    const { context } = await person({ bypassCSP: true });
    const { token } = (await makeUsers(db, 1))[0]!;
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const address = async (id: number) => `/files/${(await db.query(`select urlkey from file where id = ${id}`))[0]!.urlkey}`;
    const upload = async (name: string, body: string) => {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${server.url}files?name=${encodeURIComponent(name)}`, { method: "POST", headers, body, client });
      assertEquals(response.status, 201);
      return await address((await response.json()).id);
    };
    const asked: string[] = [];
    context.on("request", (request) => asked.push(new URL(request.url()).pathname));
    const ran = async () => asked.includes("/ran") || await page.evaluate<boolean>("localStorage.getItem('ran') !== null || 'ran' in globalThis");
    const page = await context.newPage();
    await page.goto(server.url);

    const urls: string[] = [];
    for (const [name, body] of HOSTILE) urls.push(await upload(name, body));
    for (const [i, url] of urls.entries()) {
      const other = await context.newPage();
      // A download is begun, or what is shown is shown.
      await other.goto(server.url.slice(0, -1) + url).catch((error) => assert(/Download is starting|ERR_ABORTED/.test(String(error)), String(error)));
      await other.close();
      assert(!await ran(), `${HOSTILE[i]} ran`);
    }
    // In every way in which a page could ask for it.
    await page.evaluate(`(async (urls) => {
    const of = (tag, attributes) => {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      document.body.append(element);
      return new Promise((resolve) => {
        for (const event of ["load", "error"]) element.addEventListener(event, resolve);
        setTimeout(resolve, 200);
      });
    };
    await Promise.all(urls.flatMap((url) => [
      of("script", { src: url }),
      of("script", { src: url, type: "module" }),
      of("iframe", { src: url }),
      of("embed", { src: url }),
      of("object", { data: url }),
      of("link", { rel: "stylesheet", href: url }),
      of("img", { src: url }),
      new Promise((resolve) => {
        const worker = new Worker(url);
        worker.onerror = worker.onmessage = resolve;
        setTimeout(resolve, 200);
      }),
      navigator.serviceWorker?.register(url).catch(() => {}),
    ]));
  })(${JSON.stringify(urls)})`);
    assert(!await ran(), "one of them ran inside a page");

    await page.goto(server.url);
    for (const type of ["image/png", "image/jpeg", "image/webp"]) {
      const [told, id] = await page.evaluate<[unknown[], number]>(`(async () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [320, 200];
      canvas.getContext("2d").fillRect(0, 0, 100, 100);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "${type}"));
      const response = await fetch("/files?name=x", { method: "POST", headers: { authorization: "Bearer ${token}" }, body: blob });
      const file = await response.json();
      return [[file.type, file.width, file.height], file.id];
    })()`);
      assertEquals(told, [type, 320, 200]);
      const shown = await page.evaluate<number[]>(`new Promise((resolve) => {
      const image = new Image();
      image.onload = image.onerror = () => resolve([image.naturalWidth, image.naturalHeight]);
      image.src = "${await address(id)}";
    })`);
      assertEquals(shown, [320, 200]);
    }
    // A tenth of a second of silence, opened by itself.
    const samples = 800;
    const wav = new DataView(new ArrayBuffer(44 + samples));
    for (const [at, text] of [[0, "RIFF"], [8, "WAVEfmt "], [36, "data"]] as const) {
      for (const [i, c] of [...text].entries()) wav.setUint8(at + i, c.charCodeAt(0));
    }
    for (const [at, value] of [[4, 36 + samples], [16, 16], [24, 8000], [28, 8000], [40, samples]] as const) wav.setUint32(at, value, true);
    for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]] as const) wav.setUint16(at, value, true);
    for (let i = 44; i < 44 + samples; i++) wav.setUint8(i, 128);
    const response = await fetch(`${server.url}files?name=x.wav`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: wav.buffer,
      client,
    });
    await page.goto(server.url.slice(0, -1) + await address((await response.json()).id));
    await page.waitForFunction("() => document.querySelector('video')?.readyState >= 1");
  },
);
