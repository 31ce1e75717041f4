// The live table's rows: sorted, searched and paged here, so that nothing of it is lost when new rows come.
// Every text is set as textContent: whatever a row says, it is shown, never run.

const ROWS_PER_PAGE = 15;

// After so long without an answer the kernel is busy with a cell.
const PATIENCE_MS = 600;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, label, onClick) {
  const made = element("button", "sd-grid-button", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", onClick);
  return made;
}

// Nothing is neither small nor large: it stands at the end, whichever way the table is sorted.
function compare(one, other, column, isDescending) {
  const a = one.keys[column];
  const b = other.keys[column];
  if (a === b) return other.number - one.number;
  if (a === null) return 1;
  if (b === null) return -1;
  return (a < b ? -1 : 1) * (isDescending ? -1 : 1);
}

function render({ model, el }) {
  const columns = model.get("columns");
  const view = { column: 0, isDescending: true, wanted: "", page: 0, lines: new Map(), timer: 0 };

  const root = element("div", "sd-grid");
  root.dataset.lmSuppressShortcuts = "true"; // the notebook's own keys stay out of the table

  const bar = element("div", "sd-grid-bar");
  const searchLabel = element("label", "", "Search ");
  const search = element("input");
  search.type = "search";
  searchLabel.append(search);
  const position = element("span", "sd-grid-position");
  const newer = button("‹", "Previous page", () => turn(-1));
  const older = button("›", "Next page", () => turn(1));
  bar.append(searchLabel, element("span", "sd-grid-space"), position, newer, older);

  const table = element("table");
  table.setAttribute("aria-label", "Alerts");
  const group = element("colgroup");
  const head = element("tr");
  const headButtons = columns.map(([title, isNumber], index) => {
    group.append(element("col", `sd-col-${index}`));
    const cell = element("th", isNumber ? "sd-number" : "");
    cell.scope = "col";
    const made = button(title, `Sort by ${title}`, () => sortBy(index));
    made.className = "sd-grid-sort";
    cell.append(made);
    head.append(cell);
    return made;
  });
  const thead = element("thead");
  thead.append(head);
  const body = element("tbody");
  table.append(group, thead, body);
  const empty = element("div", "sd-grid-empty");
  const hint = element("div", "sd-grid-empty");
  hint.setAttribute("role", "status");
  root.append(bar, table, empty, hint);
  el.append(root);

  function turn(pages) {
    view.page += pages;
    draw();
  }

  function sortBy(index) {
    view.isDescending = view.column === index ? !view.isDescending : true;
    view.column = index;
    view.page = 0;
    draw();
  }

  function select(number) {
    model.set("selected", number);
    model.save_changes();
  }

  function makeLine(row) {
    const line = element("tr");
    line.dataset.number = row.number;
    row.cells.forEach((text, index) => {
      const cell = element("td", columns[index][1] ? "sd-number" : "");
      if (index === 2) {
        const test = row.is_test ? " sd-type-test" : "";
        cell.append(element("span", `sd-type sd-type-${row.tone}${test}`, text));
      } else {
        cell.textContent = text;
      }
      cell.title = text;
      line.append(cell);
    });
    line.addEventListener("click", () => select(row.number));
    return line;
  }

  function found() {
    const wanted = view.wanted.trim().toLowerCase();
    const rows = model.get("rows");
    const kept = wanted ? rows.filter((row) => row.cells.join(" ").toLowerCase().includes(wanted)) : [...rows];
    return kept.sort((one, other) => compare(one, other, view.column, view.isDescending));
  }

  // Lines that stay are left where they are, so that focus and marked text survive.
  function place(rows) {
    const numbers = new Set(rows.map((row) => row.number));
    const focused = document.activeElement;
    const hadFocus = body.contains(focused);
    for (const [number, line] of view.lines) {
      if (!numbers.has(number)) {
        line.remove();
        view.lines.delete(number);
      }
    }
    rows.forEach((row, index) => {
      if (!view.lines.has(row.number)) view.lines.set(row.number, makeLine(row));
      const line = view.lines.get(row.number);
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null);
    });
    if (hadFocus && !body.contains(document.activeElement)) {
      (body.contains(focused) ? focused : body.lastElementChild)?.focus({ preventScroll: true });
    }
  }

  // Details come from the kernel, which handles clicks between cells.
  function promise() {
    clearTimeout(view.timer);
    const selected = model.get("selected");
    hint.textContent = "";
    if (selected === model.get("detailed")) return;
    view.timer = setTimeout(() => {
      hint.textContent = `The kernel is busy. Alert ${selected} is shown here when the running cell has ended.`;
    }, PATIENCE_MS);
  }

  function mark() {
    const selected = model.get("selected");
    for (const [number, line] of view.lines) {
      line.classList.toggle("sd-selected", number === selected);
      line.setAttribute("aria-selected", String(number === selected));
      line.tabIndex = -1;
    }
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const entry = focused ?? view.lines.get(selected) ?? body.firstElementChild;
    if (entry) entry.tabIndex = 0; // one stop for the tab key; arrows move from row to row
  }

  function choose() {
    mark();
    promise();
  }

  function draw() {
    const rows = found();
    const total = model.get("rows").length;
    const pages = Math.max(1, Math.ceil(rows.length / ROWS_PER_PAGE));
    view.page = Math.min(Math.max(view.page, 0), pages - 1);
    const first = view.page * ROWS_PER_PAGE;
    const shown = rows.slice(first, first + ROWS_PER_PAGE);
    place(shown);
    mark();
    headButtons.forEach((made, index) => {
      const isSorted = view.column === index;
      made.parentElement.setAttribute("aria-sort", isSorted ? (view.isDescending ? "descending" : "ascending") : "none");
      made.dataset.mark = isSorted ? (view.isDescending ? "▾" : "▴") : "";
    });
    const of = rows.length < total ? `${rows.length} found of ${total}` : `${total}`;
    position.textContent = rows.length ? `${first + 1}–${first + shown.length} of ${of}` : "";
    newer.disabled = view.page === 0;
    older.disabled = view.page >= pages - 1;
    empty.textContent = rows.length ? "" : total ? "No alert matches the search." : "No alerts yet.";
  }

  body.addEventListener("keydown", (event) => {
    const line = event.target.closest("tr");
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step) {
      const next = line[step];
      if (next) {
        line.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    } else if (event.key === "Enter" || event.key === " ") {
      select(Number(line.dataset.number));
    } else {
      return;
    }
    event.preventDefault();
  });
  search.addEventListener("input", () => {
    view.wanted = search.value;
    view.page = 0;
    draw();
  });
  model.on("change:rows", draw);
  model.on("change:selected", choose);
  model.on("change:detailed", promise);
  draw();
  return () => {
    clearTimeout(view.timer);
    model.off("change:detailed", promise);
    model.off("change:rows", draw);
    model.off("change:selected", choose);
  };
}

export default { render };
