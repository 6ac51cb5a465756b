// Enhances the finished table: search, filters, sorting, pages. No data in this file: its hash stands in the page's policy.
const table = document.getElementById("reports");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const rows = [...body.rows].map(row => ({
  row,
  text: row.textContent.toLowerCase(),
  cells: [...row.cells].map(cell => cell.textContent.trim()),
  order: [...row.cells].map(cell => cell.dataset.order),
}));
const search = document.getElementById("search");
const lists = [...document.querySelectorAll("select[data-column]")];
const length = document.getElementById("length");
const info = document.getElementById("info");
const collator = new Intl.Collator("zh-CN", { numeric: true });
let sorted = null, page = 0;

// empty comes last in both directions: a missing value is neither the smallest nor the largest
const compare = (kind, sign) => (a, b) => a === "" || b === "" ? (a === "") - (b === "")
  : sign * (kind === "numbers" ? a - b : collator.compare(a, b));

const found = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);  // \s holds the wide space of Chinese keyboards
  const wanted = lists.filter(list => list.value !== "").map(list => [Number(list.dataset.column), list.value]);
  const kept = rows.filter(one => words.every(word => one.text.includes(word))
    && wanted.every(([column, value]) => one.cells[column] === value));
  if (!sorted) return kept;
  const { column, sign } = sorted;
  const by = compare(heads[column].dataset.type, sign);
  return [...kept].sort((a, b) => by(a.order[column], b.order[column]));
};

const draw = () => {
  const kept = found();
  const size = Number(length.value) || kept.length || 1;
  page = Math.max(0, Math.min(page, Math.ceil(kept.length / size) - 1));
  const shown = kept.slice(page * size, (page + 1) * size);
  body.replaceChildren(...shown.map(one => one.row));
  const of = kept.length < rows.length ? `（从 ${rows.length} 份中筛选）` : "";
  info.textContent = kept.length
    ? `第 ${page * size + 1}–${page * size + shown.length} 份，共 ${kept.length} 份${of}`
    : `没有符合条件的报告，请放宽检索词或筛选条件${of}`;
  document.getElementById("previous").disabled = page === 0;
  document.getElementById("next").disabled = (page + 1) * size >= kept.length;
};

heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const sign = sorted?.column === column ? -sorted.sign : 1;
    sorted = { column, sign };
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    page = 0;
    draw();
  });
});
const anew = () => { page = 0; draw(); };
search.addEventListener("input", anew);
for (const list of [...lists, length]) list.addEventListener("change", anew);
document.getElementById("previous").addEventListener("click", () => { page -= 1; draw(); });
document.getElementById("next").addEventListener("click", () => { page += 1; draw(); });
document.getElementById("reset").addEventListener("click", () => {
  search.value = "";
  for (const list of lists) list.value = "";
  sorted = null;
  for (const head of heads) head.removeAttribute("aria-sort");
  anew();
  search.focus();
});
for (const id of ["controls", "pages"]) document.getElementById(id).hidden = false;
draw();
document.documentElement.dataset.ready = "yes";  // shows the table
