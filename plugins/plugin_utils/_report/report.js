"use strict";
(() => {
  const table = document.getElementById("storages");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const details = [...document.querySelectorAll("details.storage")];
  const find = document.getElementById("find");
  const level = document.getElementById("level");
  const shown = document.getElementById("shown");

  function choose() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    for (const row of rows) {
      const hit = words.every((word) => row.dataset.find.includes(word)) && (!level.value || level.value === row.dataset.level);
      row.hidden = document.getElementById(row.dataset.storage).hidden = !hit;
      number += hit;
    }
    shown.value = `${number} of ${rows.length} shown`;
  }

  const key = (row, column) => row.cells[column].dataset.sort;

  // What is unknown has an empty key and stays last in both directions.
  function compare(first, second, column, sign) {
    const [a, b] = [key(first, column), key(second, column)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = Number(a) - Number(b);
    return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
  }

  function sort(column, heading) {
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    table.tBodies[0].append(...[...rows].sort((first, second) => compare(first, second, column, sign)));
  }

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(column, heading));
    heading.append(button);
  });

  function openTarget() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const parent = target && target.closest("details.storage");
    if (!parent) return;
    parent.open = true;
    parent.scrollIntoView();
    parent.querySelector("summary").focus({ preventScroll: true });
  }

  for (const button of document.querySelectorAll("#buttons button")) {
    button.addEventListener("click", () => details.forEach((one) => (one.open = Boolean(button.dataset.open))));
  }
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  find.addEventListener("input", choose);
  level.addEventListener("change", choose);
  window.addEventListener("hashchange", openTarget);
  document.getElementById("controls").hidden = document.getElementById("buttons").hidden = false;
  choose();
  openTarget();
})();
