"use strict";
(() => {
  const root = document.documentElement;

  const make = (tag, settings = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), settings);
    element.append(...children);
    return element;
  };

  // Light or dark: as the reader chose, else as the machine is set.
  const stored = (value) => {
    try {
      return value ? localStorage.setItem("robust-theme", value) : localStorage.getItem("robust-theme");
    } catch {
      return null; // a page that was opened from a mail may keep nothing
    }
  };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  const addThemes = () => {
    const button = make("button", { id: "theme", type: "button" });
    const say = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      stored(root.dataset.theme);
      say();
    });
    say();
    document.body.prepend(button);
  };

  // Tables. What a cell is sorted by: its words and numbers in turn, of "67.2 -> 98.1" the last one.
  const sortKey = (text) => {
    const last = text.slice(text.lastIndexOf("\u2192") + 1).trim().replaceAll("\u2212", "-");
    const number = /^[+-]?[\d,]*\.?\d+(e[+-]?\d+)?/i.exec(last);
    if (number) return [Number(number[0].replaceAll(",", ""))];
    return last.toLowerCase().split(/(\d+(?:\.\d+)?)/).map((part, place) => (place % 2 ? Number(part) : part));
  };
  const compare = (a, b) => {
    for (let place = 0; place < Math.min(a.length, b.length); place += 1) {
      if (a[place] === b[place]) continue;
      if (typeof a[place] !== typeof b[place]) return typeof a[place] === "number" ? -1 : 1;
      return a[place] < b[place] ? -1 : 1;
    }
    return a.length - b.length;
  };

  const addSorting = (table, rows, changed) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", title: "sort" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { null: "ascending", ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        let order = rows;
        if (next) {
          head.setAttribute("aria-sort", next);
          const sign = next === "ascending" ? 1 : -1;
          const texts = rows.map((row) => row.cells[column].textContent.trim());
          const keys = new Map(rows.map((row, place) => [row, sortKey(texts[place])]));
          const empty = new Set(rows.filter((_, place) => !texts[place]));
          order = [...rows].sort((a, b) => empty.has(a) - empty.has(b) || sign * compare(keys.get(a), keys.get(b)));
        }
        table.tBodies[0].append(...order);
        changed();
      });
    });
  };

  const MANY = 8, FEW = 15; // rows that need no search; words that are a choice
  const PAGE = 200; // rows that are shown at once
  // Of the rows that are not left out the first ones are shown, and more when asked for.
  const addPages = (table, leftOut) => {
    let most = PAGE;
    const button = make("button", { type: "button", className: "more" });
    const show = () => {
      let found = 0;
      for (const row of table.tBodies[0].rows) {
        found += !leftOut.has(row);
        row.hidden = leftOut.has(row) || found > most;
      }
      button.hidden = found <= most;
      button.textContent = `Show ${Math.min(PAGE, found - most)} more of ${found - most} rows`;
    };
    const grow = (by) => {
      most += by;
      show();
    };
    button.addEventListener("click", () => grow(PAGE));
    table.parentElement.after(button);
    table.addEventListener("showall", () => grow(Infinity));
    addEventListener("beforeprint", () => grow(Infinity));
    return show;
  };
  const addSearch = (table, rows, leftOut, changed) => {
    const search = make("input", { type: "search", size: 16 });
    const count = make("span");
    count.setAttribute("role", "status");
    const tools = make("div", { className: "tools" }, make("label", {}, "Search", search));
    const choices = [];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.classList.contains("word")) return;
      const words = new Set();
      for (const row of rows) {
        words.add(row.cells[column].textContent);
        if (words.size > FEW) return;
      }
      if (words.size < 2 || words.size > rows.length / 2) return;
      const select = make("select", {}, make("option", { value: "" }, "all"));
      [...words].filter(Boolean).forEach((word) => select.append(make("option", { value: word }, word)));
      choices.push([column, select]);
      tools.append(make("label", {}, head.textContent, select));
    });
    tools.append(count);
    let texts = null;
    const apply = () => {
      texts ??= rows.map((row) => row.textContent.toLowerCase());
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = choices.filter(([, select]) => select.value);
      let shown = 0;
      rows.forEach((row, place) => {
        const found = words.every((word) => texts[place].includes(word))
          && chosen.every(([column, select]) => row.cells[column].textContent === select.value);
        leftOut[found ? "delete" : "add"](row);
        shown += found;
      });
      count.textContent = words.length || chosen.length ? `${shown} of ${rows.length} rows` : "";
      changed();
    };
    tools.addEventListener("input", apply);
    table.parentElement.before(tools);
    table.addEventListener("showall", () => {
      search.value = "";
      choices.forEach(([, select]) => { select.value = ""; });
      apply();
    });
  };

  const addTable = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 2) return;
    // One stop of the Tab key for a table; arrows go from row to row.
    const links = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.querySelector("a.row"));
    let stop = null;
    const stopAt = (link) => {
      if (stop) stop.tabIndex = -1;
      if (link) link.tabIndex = 0;
      stop = link;
    };
    rows.forEach((row) => { row.cells[0].firstElementChild.tabIndex = -1; });
    const leftOut = new Set();
    const show = rows.length > PAGE ? addPages(table, leftOut) : () => rows.forEach((row) => { row.hidden = leftOut.has(row); });
    const changed = () => {
      show();
      stopAt(links()[0] ?? null);
    };
    changed();
    table.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || !event.target.matches("a.row")) return;
      const all = links();
      const next = all[all.indexOf(event.target) + step];
      if (!next) return;
      event.preventDefault();
      stopAt(next);
      next.focus();
    });
    addSorting(table, rows, changed);
    if (rows.length > MANY) addSearch(table, rows, leftOut, changed);
  };

  const showRow = () => {
    const row = document.querySelector("tr:target");
    if (!row) return;
    if (row.hidden) row.closest("table").dispatchEvent(new Event("showall"));
    row.scrollIntoView({ block: "center" });
  };

  // Figures. What is under the pointer, or where the arrow keys are, is said beside it.
  const addFigures = () => {
    const tip = make("div", { id: "tip", hidden: true });
    tip.setAttribute("role", "status");
    document.body.append(tip);
    let at = null;
    const hide = () => {
      at?.classList.remove("at");
      at = null;
      tip.hidden = true;
    };
    const place = () => {
      if (!at) return;
      const box = at.getBoundingClientRect(), own = tip.getBoundingClientRect();
      const left = Math.min(box.left + box.width / 2 - own.width / 2, innerWidth - own.width - 4);
      const top = box.top > own.height + 8 ? box.top - own.height - 4 : box.bottom + 4;
      tip.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
    };
    const show = (mark) => {
      hide();
      const title = mark.querySelector("title");
      if (title) { // else the browser shows it too, later
        mark.dataset.text = title.textContent;
        title.remove();
      }
      at = mark;
      mark.classList.add("at");
      tip.textContent = mark.dataset.text;
      tip.hidden = false;
      place();
    };
    const isPoint = (element) => element?.matches?.(".marks > :not(.key)");
    document.addEventListener("pointerover", (event) => (isPoint(event.target) ? show(event.target) : hide()));
    document.addEventListener("scroll", place, { capture: true, passive: true });

    for (const svg of document.querySelectorAll(".drawing > svg")) {
      const points = [...svg.querySelectorAll(".marks > :not(.key)")];
      if (points.length) {
        svg.tabIndex = 0;
        svg.setAttribute("role", "group");
        svg.setAttribute("aria-label", "Figure; the arrow keys go through its points");
        svg.addEventListener("blur", hide);
        svg.addEventListener("keydown", (event) => {
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
          if (event.key === "Escape") hide();
          if (!step || event.target !== svg) return;
          event.preventDefault();
          const seen = points.filter((point) => !point.classList.contains("off"));
          const before = seen.indexOf(at);
          if (!seen.length) return;
          const next = before < 0 && step < 0 ? seen.length - 1 : (before + step + seen.length) % seen.length;
          show(seen[next]);
          at.scrollIntoView({ block: "nearest", inline: "nearest" });
        });
      }
      for (const key of svg.querySelectorAll(".key")) {
        const toggle = () => {
          const shown = key.getAttribute("aria-pressed") === "false";
          key.setAttribute("aria-pressed", shown);
          svg.querySelectorAll(`[data-series="${key.dataset.key}"]`).forEach((part) => part.classList.toggle("off", !shown));
          hide();
        };
        key.setAttribute("role", "button");
        key.setAttribute("aria-label", key.textContent);
        key.setAttribute("aria-pressed", true);
        key.tabIndex = 0;
        key.addEventListener("click", toggle);
        key.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          toggle();
        });
      }
    }
  };

  // The numbers: saved as CSV where the browser can unpack them, else as they are, packed.
  const addDownloads = () => document.addEventListener("click", async (event) => {
    const link = event.target.closest?.('a[download$=".csv.gz"]');
    if (!link || !("DecompressionStream" in window)) return;
    event.preventDefault();
    const packed = Uint8Array.from(atob(link.href.slice(link.href.indexOf(",") + 1)), (one) => one.charCodeAt(0));
    const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    const saved = make("a", { href: URL.createObjectURL(text), download: link.download.slice(0, -".gz".length) });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 60_000);
  });

  document.addEventListener("DOMContentLoaded", () => {
    addThemes();
    document.querySelectorAll("div.scroll > table").forEach(addTable);
    addFigures();
    addDownloads();
  });
  addEventListener("load", showRow);
  addEventListener("hashchange", showRow);
})();
