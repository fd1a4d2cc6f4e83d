/** What goes into the clipboard. */

/** Copy a text, with its markup where the clipboard takes it; raises where the browser does not let a page copy. */
export async function copy(plain: string, html?: string): Promise<void> {
  if (navigator.clipboard === undefined) {
    copyOverPlainHttp(plain);
    return;
  }
  if (html === undefined) {
    await navigator.clipboard.writeText(plain);
    return;
  }
  const parts = { "text/plain": plain, "text/html": html };
  const blobs = Object.entries(parts).map(([type, text]) => [type, new Blob([text], { type })] as const);
  await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))]);
}

/** Browsers give a page that came over plain HTTP no clipboard, but let it copy what is selected. */
function copyOverPlainHttp(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("The browser does not let this page copy.");
}
