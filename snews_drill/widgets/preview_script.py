"""What the preview runs in the browser. Texts are set as text, never as markup."""

from __future__ import annotations

SCRIPT = """
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are not served over https or from this machine have no clipboard: the older way.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sd-preview-offscreen";
    document.body.append(area);
    area.select();
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    area.remove();
    return done;
  }
}

function copyButton(text, what) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sd-preview-copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${what}`);
  button.addEventListener("click", async () => {
    const done = await copyText(text);
    button.focus();
    button.textContent = done ? "Copied" : "Select it and copy by hand";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

function block(text, what, isWhole) {
  const frame = document.createElement("div");
  frame.className = "sd-preview-block";
  const pre = document.createElement("pre");
  pre.textContent = text;
  frame.append(pre);
  if (isWhole) frame.append(copyButton(text, what));
  return frame;
}

function render({ model, el }) {
  el.classList.add("sd-preview");
  const chosen = new Map(); // title -> whether the reader opened it, kept while the message changes
  function draw() {
    const cards = model.get("cards");
    const parts = cards.map((card) => {
      const details = document.createElement("details");
      details.open = chosen.has(card.title) ? chosen.get(card.title) : true;
      const summary = document.createElement("summary");
      summary.className = `sd-${card.kind}`;
      summary.textContent = card.title;
      summary.addEventListener("click", () => chosen.set(card.title, !details.open));
      details.append(summary, block(card.text, `${card.title} as JSON`, card.is_whole));
      return details;
    });
    const code = model.get("code");
    if (code) {
      const label = document.createElement("div");
      label.className = "sd-preview-label";
      label.textContent = "The same in Python";
      parts.push(label, block(code, "the Python", true));
    }
    el.replaceChildren(...parts);
  }
  draw();
  model.on("change:cards", draw);
  model.on("change:code", draw);
  return () => { model.off("change:cards", draw); model.off("change:code", draw); };
}

export default { render };
"""

STYLE = """
.sd-preview { width: 100%; color: var(--jp-ui-font-color1, #212121); }
.sd-preview summary { cursor: pointer; padding: 3px 0; font-weight: 600; }
.sd-preview .sd-preview-label { padding: 6px 0 0 0; font-weight: 600; }
.sd-preview .sd-preview-block { position: relative; }
.sd-preview .sd-preview-block pre { margin: 2px 0 6px 0; padding: 8px 76px 8px 10px; white-space: pre-wrap;
  overflow-wrap: anywhere; word-break: normal; border-radius: 3px;
  line-height: 1.4; font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 12px); background: var(--jp-layout-color2, #f3f3f3);
  color: var(--jp-content-font-color1, #212121); }
.sd-preview .sd-preview-copy { position: absolute; top: 5px; right: 6px; padding: 2px 8px; cursor: pointer;
  border: 1px solid var(--jp-border-color1, #bbb); border-radius: 3px; font-size: 0.92em;
  background: var(--jp-layout-color1, #fff); color: var(--jp-ui-font-color1, #212121); }
.sd-preview-offscreen { position: fixed; top: 0; left: -9999px; }
"""
