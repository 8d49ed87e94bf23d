const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

// Charts in the colors of the page's light or dark theme.
function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = name => style.getPropertyValue(name).trim();
  const axis = { gridcolor: color("--rule"), zerolinecolor: color("--rule"), linecolor: color("--dim"), showline: true,
    title: { standoff: 12 } };
  return { layout: { font: { color: color("--ink"), family: "system-ui, sans-serif", size: 13 }, xaxis: axis,
    yaxis: axis, paper_bgcolor: color("--card"), plot_bgcolor: color("--card") } };
}

function plot(name, { data, layout }) {
  const place = document.getElementById(name);
  place.style.minWidth = `${layout.meta?.min_width ?? 0}px`;
  Plotly.react(place, data, { ...layout, template: theme() }, { responsive: true, displayModeBar: false });
}

function draw() {
  for (const [name, figure] of Object.entries(data.figures)) plot(name, figure);
}

draw();
dark.addEventListener("change", draw);
