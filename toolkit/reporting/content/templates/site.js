// Enhances the finished table: search, filters, sorting, pages. No data in this file: its hash stands in the page's policy.
const bundle = document.getElementById("bundle").textContent.trim();
const bytes = Uint8Array.from(atob(bundle), c => c.charCodeAt(0));
const address = URL.createObjectURL(new Blob([bytes], { type: "application/javascript" }));
const { default: DataTable } = await import(address);
URL.revokeObjectURL(address);

// empty comes last in both directions: a missing value is neither the smallest nor the largest
const collator = new Intl.Collator("zh-CN", { numeric: true });
const lastWhenEmpty = (compare, sign) => (a, b) => a === "" || b === "" ? (a === "") - (b === "") : sign * compare(a, b);
const register = (type, compare) => {
  DataTable.ext.type.order[`${type}-asc`] = lastWhenEmpty(compare, 1);
  DataTable.ext.type.order[`${type}-desc`] = lastWhenEmpty(compare, -1);
};
register("words", (a, b) => collator.compare(a, b));
register("numbers", (a, b) => a - b);

const heads = [...document.querySelectorAll("#reports thead th")];
const table = new DataTable("#reports", {
  autoWidth: false,
  columns: heads.map(head => ({ type: head.dataset.type, className: head.dataset.align === "right" ? "right" : "" })),
  order: [],
  pageLength: 25,
  lengthMenu: [25, 50, 100, { label: "全部", value: -1 }],
  layout: { topStart: null, topEnd: null, bottomStart: "info", bottomEnd: "paging", bottom2Start: "pageLength" },
  language: {
    info: "第 _START_–_END_ 份，共 _TOTAL_ 份", infoEmpty: "共 0 份", infoFiltered: "（从 _MAX_ 份中筛选）",
    lengthMenu: "每页 _MENU_ 份", zeroRecords: "没有符合条件的报告，请放宽检索词或筛选条件", emptyTable: "本次运行没有完成的报告",
    paginate: { first: "首页", previous: "上一页", next: "下一页", last: "末页" },
    aria: { orderable: "：点击排序", orderableReverse: "：点击反向排序", orderableRemove: "：点击取消排序",
      paginate: { first: "首页", previous: "上一页", next: "下一页", last: "末页", number: "第 " } },
  },
});

const search = document.getElementById("search");
const lists = [...document.querySelectorAll("select[data-column]")];
const apply = () => {
  table.search(search.value.trim().replace(/\s+/g, " "));  // also the wide space of Chinese keyboards
  for (const list of lists) table.column(Number(list.dataset.column)).search(list.value, { exact: list.value !== "" });
  table.draw();
};
search.addEventListener("input", apply);
for (const list of lists) list.addEventListener("change", apply);
document.getElementById("reset").addEventListener("click", () => {
  search.value = "";
  for (const list of lists) list.value = "";
  table.order([]);
  apply();
  search.focus();
});
document.getElementById("controls").hidden = false;
document.documentElement.dataset.ready = "yes";
