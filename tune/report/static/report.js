const { order, runs, people, skeleton, metric } = data;
const COLORS = ["#d55e00", "#2f8fd0", "#009e73", "#a06cc8", "#c79100", "#8a8f98"];
const SIDES = { left: "rgb(230, 159, 0)", right: "rgb(86, 180, 233)", center: "rgb(240, 240, 240)" };
const MIN_CONFIDENCE = 0.2;  // as in the images that the commands draw

const table = document.getElementById("leaderboard");
const headers = [...table.tHead.rows[0].cells];
headers.forEach((header, column) => header.addEventListener("click", () => {
  const direction = header.ariaSort === "ascending" ? "descending" : "ascending";
  headers.forEach(each => { each.ariaSort = each === header ? direction : null; });
  const sign = direction === "ascending" ? 1 : -1;
  const value = row => row.cells[column].dataset.value;
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort((one, other) => {
    const [first, second] = [value(one), value(other)];
    if (first === "" || second === "") return (first === "") - (second === "");  // unknown values come last either way
    return sign * (isNaN(first) || isNaN(second) ? first.localeCompare(second) : first - second);
  }));
}));

// The leaderboard: a filter by any word, and boxes that pick runs to compare.
const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of table.tBodies[0].rows) {
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  }
});
table.addEventListener("change", compare);

function picked() {
  const ticked = new Set([...table.querySelectorAll("input:checked")].map(box => box.value));
  return order.filter(name => ticked.has(name));  // the best first, however the table is sorted
}

function compare() {
  const names = picked();
  document.getElementById("picks").hidden = names.length === 0;
  if (names.length === 0) return;
  settings(names);
  plot("pick-curves", curves(names));
  const predicted = names.filter(name => runs[name].predictions);
  document.getElementById("pick-keypoints").hidden = document.getElementById("pick-people").hidden = predicted.length === 0;
  if (predicted.length === 0) return;
  plot("pick-keypoints", bars(predicted, names));
  gallery("pick-people", predicted);
}

// What differs between the picked runs, and their scores.
function settings(names) {
  const all = [...new Set(names.flatMap(name => Object.keys(runs[name].settings)))];
  const differing = all.filter(key => new Set(names.map(name => runs[name].settings[key])).size > 1);
  const rows = [["", ...names],
    ...[...new Set(names.flatMap(name => Object.keys(runs[name].scores)))].map(key => [key, ...names.map(name => runs[name].scores[key] ?? "–")]),
    ...differing.map(key => [key, ...names.map(name => runs[name].settings[key] ?? "–")])];
  const place = document.getElementById("settings");
  place.replaceChildren(...rows.map((cells, number) => {
    const row = document.createElement("tr");
    row.append(...cells.map(text => Object.assign(document.createElement(number ? "td" : "th"), { textContent: text })));
    return row;
  }));
}

function curves(names) {
  return {
    data: names.map((name, number) => ({ x: runs[name].epochs, y: runs[name].curve, name, mode: "lines+markers",
      line: { color: COLORS[number % COLORS.length] } })),
    layout: { height: 340, margin: { l: 60, r: 15, t: 10, b: 50 }, showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      xaxis: { title: { text: "epoch" }, rangemode: "tozero" }, yaxis: { title: { text: metric }, rangemode: "tozero" } },
  };
}

function bars(predicted, names) {
  return {
    data: predicted.map(name => ({ type: "bar", name, x: skeleton.names.map(text => text.replaceAll("_", " ")),
      y: runs[name].predictions.keypoints, marker: { color: COLORS[names.indexOf(name) % COLORS.length] },
      hovertemplate: `${name}, %{x}: %{y:.3f}<extra></extra>` })),
    layout: { height: 360, margin: { l: 60, r: 15, t: 10, b: 100 }, showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, meta: { min_width: 26 * skeleton.names.length + 120 },
      yaxis: { title: { text: "keypoints right" }, rangemode: "tozero" }, xaxis: { tickangle: -45 } },
  };
}

// The same people as the annotators and the runs see them.
function gallery(id, names) {
  const place = document.getElementById(id);
  place.style.setProperty("--columns", names.length + 1);
  place.replaceChildren(...people.map((person, number) => {
    const group = document.createElement("div");
    group.append(figure(person, person.truth, "annotated"), ...names.map(name => {
      const { poses, oks } = runs[name].predictions;
      return figure(person, poses[number], `${name}: OKS ${oks[number].toFixed(2)}`);
    }));
    return group;
  }));
}

function figure(person, points, caption) {
  const place = document.createElement("figure");
  const text = Object.assign(document.createElement("figcaption"), { textContent: caption });
  place.append(drawing(person, points), text);
  return place;
}

function drawing({ source, width, height }, points) {
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  svg.append(element("image", { href: source, width, height }));
  const sure = points.map(point => point[2] >= MIN_CONFIDENCE);
  const limbs = skeleton.limbs.filter(([start, end]) => sure[start] && sure[end]);
  for (const outline of [true, false]) {
    for (const [start, end] of limbs) {
      svg.append(element("line", { x1: points[start][0], y1: points[start][1], x2: points[end][0], y2: points[end][1],
        stroke: outline ? "#141414" : side(start, end), "stroke-width": outline ? 4.5 : 2.5, "stroke-linecap": "round" }));
    }
    points.forEach(([x, y], index) => sure[index] && svg.append(
      element("circle", { cx: x, cy: y, r: outline ? 3.6 : 2.6, fill: outline ? "#141414" : side(index) })));
  }
  return svg;
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function side(...indices) {
  const sides = indices.map(index => skeleton.names[index].split("_")[0]);
  const [left, right] = ["left", "right"].map(name => sides.includes(name));
  return left === right ? SIDES.center : left ? SIDES.left : SIDES.right;
}

if (data.best) gallery("people", [data.best]);
compare();
dark.addEventListener("change", compare);
