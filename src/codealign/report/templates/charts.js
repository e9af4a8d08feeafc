// Learning curves with uPlot: one chart per <figure data-chart>, drawn from the JSON in #curves-data.
// Colours are read from the page's custom properties when drawing, so dark, light and print share one code.
(() => {
  "use strict";
  const source = document.getElementById("curves-data");
  if (!source || typeof uPlot === "undefined") return;
  const data = JSON.parse(source.textContent);
  const HEIGHT_PX = 200;
  const SMOOTH_FROM = 40; // points; a shorter curve is drawn as it is
  const SMOOTH_OVER = 0.1; // of the curve's length, at most SMOOTH_LIMIT points
  const SMOOTH_LIMIT = 25;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const sideOf = (key) => /(chosen|rejected)$/.exec(key)?.[0];
  // Lines that are of neither side differ by colour and by dash.
  const STYLES = [
    ["--accent", undefined], ["--syntax_error", [7, 4]], ["--passed", [2, 3]], ["--failed", [10, 3, 2, 3]], ["--quiet", [4, 2]],
  ];
  function styleOf(chart, key) {
    if (key.startsWith("exec/")) return [`--${key.slice(5)}`, undefined];
    if (sideOf(key) === "chosen") return ["--chosen", undefined];
    if (sideOf(key) === "rejected") return ["--rejected", [7, 4]];
    return STYLES[chart.series.findIndex(([other]) => other === key) % STYLES.length];
  }

  function written(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "percent") return `${(100 * value).toFixed(1)}%`;
    if (unit === "tiny" || (value !== 0 && Math.abs(value) < 1e-3)) return value.toExponential(1);
    return String(Number(value.toPrecision(4)));
  }

  // Centred running mean: gaps stay gaps, the ends average over what there is.
  function smoothed(values) {
    const half = Math.min(SMOOTH_LIMIT, Math.floor(values.length * SMOOTH_OVER)) >> 1;
    return values.map((value, index) => {
      if (value === null) return null;
      const near = values
        .slice(Math.max(0, index - half), index + half + 1)
        .filter((other) => other !== null);
      return near.reduce((sum, other) => sum + other, 0) / near.length;
    });
  }

  const isNoisy = (chart, series) =>
    chart.unit !== "tiny" &&
    !chart.stacked &&
    !series[0].startsWith("eval_") &&
    series[1].filter((value) => value !== null).length >= SMOOTH_FROM;

  function lineOf(chart, key, sparse) {
    const [name, dash] = styleOf(chart, key);
    return {
      label: key,
      stroke: () => colour(name),
      width: 2,
      dash,
      spanGaps: true,
      points: { show: sparse, size: 6, fill: () => colour(name) },
    };
  }

  // Shares upon one another: the sum of all is painted first, each smaller sum over it.
  function stackOf(chart) {
    let below = chart.steps.map(() => 0);
    const layers = chart.series.map(([key, values]) => {
      below = below.map((sum, index) => sum + (values[index] ?? 0));
      const [name] = styleOf(chart, key);
      return [below, { label: key, stroke: () => colour(name), fill: () => colour(name), width: 1, points: { show: false } }];
    });
    layers.reverse();
    return {
      columns: [chart.steps, ...layers.map(([sums]) => sums)],
      lines: [{}, ...layers.map(([, line]) => line)],
    };
  }

  // The series uPlot draws: for a noisy curve its steps faintly, then its running mean.
  function linesOf(chart) {
    if (chart.stacked) return stackOf(chart);
    const columns = [chart.steps];
    const lines = [{}];
    for (const series of chart.series) {
      const [key, values] = series;
      const sparse = values.filter((value) => value !== null).length < 25;
      if (isNoisy(chart, series)) {
        columns.push(values);
        lines.push({ ...lineOf(chart, key, false), width: 1, alpha: 0.28, dash: undefined });
        columns.push(smoothed(values));
      } else {
        columns.push(values);
      }
      lines.push(lineOf(chart, key, sparse));
    }
    return { columns, lines };
  }

  function rangeOf(chart) {
    return (_, low, high) => {
      if (low === null || high === null || chart.stacked) return [0, 1];
      const room = (high - low || Math.abs(high) || 1) * 0.08;
      const [bottom, top] = [low - room, high + room];
      if (chart.unit === "percent") return [Math.max(0, bottom), Math.min(1, Math.max(top, bottom + 0.05))];
      // The collapse threshold is worth room only once the curve has come half way to it.
      const near = chart.threshold !== null && low < chart.threshold / 2;
      return [near ? Math.min(bottom, chart.threshold * 1.05) : bottom, top];
    };
  }

  function drawMarks(chart) {
    return (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.setLineDash([]);
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.strokeStyle = colour("--warning");
      for (const step of data.warnings) {
        const x = plot.valToPos(step, "x", true);
        stroke(ctx, [x, bbox.top], [x, bbox.top + bbox.height]);
      }
      if (chart.threshold !== null) {
        const y = plot.valToPos(chart.threshold, "y", true);
        ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
        stroke(ctx, [bbox.left, y], [bbox.left + bbox.width, y]);
      }
      ctx.restore();
    };
  }

  function stroke(ctx, from, to) {
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
  }

  // One line of text under the chart: the last values, or those at the pointer.
  function fillReadout(readout, chart, index) {
    const at = index ?? chart.steps.length - 1;
    readout.replaceChildren(`step ${chart.steps[at]}`);
    for (const [key, values] of chart.series) {
      const entry = document.createElement("span");
      entry.className = "entry";
      const mark = document.createElement("span");
      mark.className = `key ${sideOf(key) ?? "single"}`;
      if (!sideOf(key)) mark.style.background = `var(${styleOf(chart, key)[0]})`;
      const value = document.createElement("b");
      value.textContent = written(values[at], chart.unit);
      entry.append(mark, `${key} `, value);
      readout.append(entry);
    }
    if (chart.threshold !== null) readout.append(` (warns of collapse below ${chart.threshold})`);
  }

  function axes(chart) {
    const style = {
      stroke: () => colour("--quiet"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return [
      { ...style, size: 30, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : "")) },
      { ...style, size: 58, values: (_, ticks) => ticks.map((tick) => written(tick, chart.unit)) },
    ];
  }

  function draw(figure, chart) {
    const place = figure.querySelector(".plot");
    const readout = figure.querySelector(".readout");
    const { columns, lines } = linesOf(chart);
    const options = {
      width: place.clientWidth || 320,
      height: HEIGHT_PX,
      legend: { show: false },
      scales: { x: { time: false, range: data.range }, y: { range: rangeOf(chart) } },
      axes: axes(chart),
      series: lines,
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "steps" } },
      hooks: {
        draw: [drawMarks(chart)],
        setCursor: [(plot) => fillReadout(readout, chart, plot.cursor.idx)],
      },
    };
    const plot = new uPlot(options, columns, place);
    fillReadout(readout, chart, null);
    new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height: HEIGHT_PX });
    }).observe(place);
    return plot;
  }

  const plots = [...document.querySelectorAll("figure[data-chart]")].map((figure) =>
    draw(figure, data.charts[Number(figure.dataset.chart)]),
  );
  const smooths = data.charts.some((chart) => chart.series.some((series) => isNoisy(chart, series)));
  document.getElementById("curves-smoothed").hidden = !smooths;
  const redraw = () => plots.forEach((plot) => plot.redraw(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // A canvas keeps its pixels: on paper they have to be the light ones.
  const onPaper = (printing) => () => {
    document.documentElement.classList.toggle("paper", printing);
    redraw();
  };
  addEventListener("beforeprint", onPaper(true));
  addEventListener("afterprint", onPaper(false));
})();
