// Filters, search and sorting of the table of claims; the state lives in the address, so that a view can be sent on.
"use strict";
(() => {
  const form = document.querySelector(".filters");
  const body = document.querySelector("table.all tbody");
  if (!form || !body) return;
  const heads = [...document.querySelectorAll("table.all th")];
  const total = body.rows.length;
  const text = (cell) => cell.textContent.trim();
  const claims = [...body.rows].map((row) => {
    const [verdict, claim, conditions, claimed, criterion, topic, sections] = [...row.cells].map(text);
    return {
      row,
      order: Number(row.dataset.order),
      words: (row.textContent + " " + ((window.CLAIMS || {})[row.dataset.id] || "")).toLowerCase(),
      keys: { verdict, claim, conditions, claimed, criterion, topic, sections },
      values: {
        verdict: [row.querySelector(".pill").classList[1]],
        claimed: [claimed],
        criterion: row.dataset.criterion.split(" "),
        topic: [row.dataset.id.split("/")[0]],
        section: sections.split(/\s+/),
      },
    };
  });

  const state = () => new URLSearchParams(location.hash.slice(1));
  const fields = () => [...form.elements].filter((field) => field.name);

  function matches(claim, wanted) {
    const found = (wanted.get("q") || "").toLowerCase().split(/\s+/).every((word) => claim.words.includes(word));
    return found && Object.entries(claim.values).every(([name, values]) => !wanted.get(name) || values.includes(wanted.get(name)));
  }

  function compare(name, down) {
    if (!name || name === "verdict") return (a, b) => (down ? b.order - a.order : a.order - b.order);
    const number = (claim) => parseInt(claim.keys.sections, 10) || 0;
    const by = name === "sections"
      ? (a, b) => number(a) - number(b)
      : (a, b) => a.keys[name].localeCompare(b.keys[name], "en", { numeric: true });
    return (a, b) => (down ? by(b, a) : by(a, b)) || a.order - b.order;
  }

  function show() {
    const wanted = state();
    if (location.hash && !location.hash.includes("=")) return; // an anchor of the page
    for (const field of fields()) {
      if (field !== document.activeElement || field.type !== "search") field.value = wanted.get(field.name) || "";
    }
    const [name, down] = [(wanted.get("sort") || "").replace("-", ""), (wanted.get("sort") || "").startsWith("-")];
    for (const head of heads) {
      if (head.dataset.sort === (name || "verdict")) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    let count = 0;
    const rows = document.createDocumentFragment();
    for (const claim of [...claims].sort(compare(name, down))) {
      claim.row.hidden = !matches(claim, wanted);
      count += claim.row.hidden ? 0 : 1;
      rows.append(claim.row);
    }
    body.append(rows);
    form.querySelector("output").textContent = count === total ? `${total} claims` : `${count} of ${total} claims`;
  }

  function go(changes, replace) {
    const wanted = state();
    for (const [name, value] of Object.entries(changes)) {
      if (value) wanted.set(name, value);
      else wanted.delete(name);
    }
    const hash = "#" + (wanted.toString() || "claims=all");
    if (replace) location.replace(hash);
    else location.hash = hash;
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const now = state().get("sort") || "verdict";
      go({ sort: now === head.dataset.sort ? "-" + head.dataset.sort : head.dataset.sort });
    });
    head.replaceChildren(button);
  }
  form.addEventListener("change", (event) => event.target.type !== "search" && go({ [event.target.name]: event.target.value }));
  form.addEventListener("input", (event) => event.target.type === "search" && go({ q: event.target.value }, true));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    go(Object.fromEntries([...fields().map((field) => [field.name, ""]), ["sort", ""]]));
    form.elements.q.value = "";
  });
  document.querySelectorAll(".counts a").forEach((link) => link.addEventListener("click", () => document.querySelector("#all").scrollIntoView()));
  window.addEventListener("hashchange", show);
  form.hidden = false;
  show();
  if (location.hash.includes("=")) document.querySelector("#all").scrollIntoView();
})();
