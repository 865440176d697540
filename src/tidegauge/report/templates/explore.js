"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("map-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const NARROW = matchMedia("(max-width: 34rem)").matches;
  const PAGE = 50;
  const figures = {};
  const state = { colour: "window", chosen: -1, found: [], listed: 0 };

  // ---- bytes to rows

  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }
  const words = async (text) => new TextDecoder().decode(await inflate(text)).split("\n").slice(0, -1);

  async function decode(side, name) {
    const n = side.rows;
    const steps = new Int16Array(await inflate(side.places));
    const scale = ([low, high], from) =>
      Float32Array.from({ length: n }, (_, i) => low + ((steps[from + i] / data.steps + 1) / 2) * (high - low));
    const outcomes = [];
    for (let k = 0; k < data.outcomes.length; k++) {
      const levels = data.outcomes[k].levels;
      const raw = await inflate(side.outcomes[k]);
      outcomes.push(levels.length ? Array.from(new Uint8Array(raw), (at) => levels[at] ?? NaN) : new Float32Array(raw));
    }
    return {
      name, rows: n, label: side.label, outcomes,
      x: scale(data.x, 0), y: scale(data.y, n),
      clusters: new Uint16Array(await inflate(side.clusters)),
      ids: await words(side.ids), texts: await words(side.texts),
    };
  }

  // ---- colours and legend

  const colours = () => data.palette[dark.matches ? "dark" : "light"];
  const shadeOf = (group) => { const family = colours()[group.kind]; return family[group.shade % family.length]; };
  const isTwo = (levels) => levels.length > 0 && levels.every((value) => value === 0 || value === 1);

  function rangeOf(k) {
    let low = Infinity, high = -Infinity;
    for (const side of figures.sides) for (const v of side.outcomes[k]) if (v === v) { low = Math.min(low, v); high = Math.max(high, v); }
    return low <= high ? [low, high] : [0, 1];
  }

  function colourer(side) {
    const palette = colours();
    if (state.colour === "window") return () => palette[side.name];
    if (state.colour === "cluster") {
      const shades = [];
      for (const group of data.groups) if (group.place >= 0) shades[group.place] = shadeOf(group);
      return (i) => shades[side.clusters[i]];
    }
    const k = Number(state.colour), values = side.outcomes[k];
    const two = isTwo(data.outcomes[k].levels);
    const ramp = two ? palette.two : palette.ramp;
    const [low, high] = two ? [0, 1] : rangeOf(k);
    return (i) => values[i] !== values[i] ? palette.missing : ramp[Math.round(((values[i] - low) / (high - low || 1)) * (ramp.length - 1))];
  }

  const SVG = "http://www.w3.org/2000/svg";
  function swatch(shape, colour) {
    const svg = document.createElementNS(SVG, "svg"), form = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 14 14");
    svg.setAttribute("aria-hidden", "true");
    form.setAttribute("d", { circle: "M1 7a6 6 0 1 0 12 0a6 6 0 1 0-12 0z", triangle: "M7 1 13 13 1 13z", square: "M1 1H13V13H1z" }[shape]);
    form.setAttribute("fill", colour);
    svg.append(form);
    return svg;
  }
  function element(tag, text) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function legend() {
    const palette = colours(), lines = [];
    const line = (...parts) => { const li = element("li"); li.append(...parts); lines.push(li); };
    if (state.colour === "window") {
      data.sides.forEach((side, at) => line(swatch(at ? "triangle" : "circle", palette[at ? "after" : "before"]), element("bdi", side.legend)));
    } else if (state.colour === "cluster") {
      for (const group of data.groups) if (group.key && group.place >= 0) line(swatch("square", shadeOf(group)), element("span", group.key), element("bdi", group.name));
      if (data.groups.some((group) => !group.key)) line(swatch("square", palette["not moved"][0]), "did not move");
    } else {
      const k = Number(state.colour), levels = data.outcomes[k].levels, say = (v) => String(Number(v.toPrecision(3)));
      if (isTwo(levels)) {
        for (const value of [0, 1]) line(swatch("square", palette.two[value]), `${data.outcomes[k].name} ${value}`);
      } else {
        const bar = element("span"), [low, high] = rangeOf(k);
        bar.className = "ramp";
        bar.style.background = `linear-gradient(to right, ${palette.ramp.join(",")})`;
        line(element("bdi", data.outcomes[k].name), say(low), bar, say(high));
      }
      line(swatch("square", palette.missing), "none recorded");
    }
    $("legend").replaceChildren(...lines);
  }
  function badges() {
    for (const badge of document.querySelectorAll(".key")) {
      const group = data.groups.find((each) => each.key === badge.textContent);
      if (group) badge.style.borderColor = shadeOf(group);
    }
    for (const [name, colour] of Object.entries(colours())) {
      for (const shape of document.querySelectorAll(`.c-${CSS.escape(name)}`)) shape.style[shape.classList.contains("fill") ? "fill" : "stroke"] = colour;
    }
  }

  // ---- painting

  function points() {
    for (const side of figures.sides) {
      const source = figures.renderers[side.name].data_source, colour = colourer(side), chosen = state.chosen;
      const lit = (i) => chosen < 0 || side.clusters[i] === chosen;
      source.data = {
        ...source.data,
        colour: Array.from({ length: side.rows }, (_, i) => colour(i)),
        alpha: Float32Array.from({ length: side.rows }, (_, i) => (chosen < 0 ? data.alpha : lit(i) ? 0.95 : 0.07)),
        size: Float32Array.from({ length: side.rows }, (_, i) => (chosen >= 0 && lit(i) ? data.size + 2 : data.size)),
      };
    }
  }
  function ground() {
    const palette = colours();
    for (const figure of [figures.map, figures.pc1, figures.scores]) {
      for (const axis of [...figure.below, ...figure.left]) {
        axis.axis_label_text_color = axis.major_label_text_color = palette.quiet;
        axis.axis_line_color = axis.axis_line_color ? palette.line : null;
        axis.major_tick_line_color = axis.major_tick_line_color ? palette.line : null;
      }
      for (const each of figure.center) if (each.type === "Grid") each.grid_line_color = palette.line;
      const roles = { "null band": ["fill_color", "line"], zero: ["line_color", "quiet"], threshold: ["line_color", "ink"] };
      for (const each of figure.center) {
        if (each.name in roles) each[roles[each.name][0]] = palette[roles[each.name][1]];
        if (each.name === "mean ink" || each.name === "mean halo") {
          const colour = each.name === "mean ink" ? palette.ink : palette.ground;
          each.line_color = each.end.fill_color = each.end.line_color = { value: colour };
        }
      }
      for (const { name, glyph } of figure.renderers) {
        const set = (property, role) => { glyph[property] = { value: palette[role] }; };
        const [what, who] = (name ?? "").split(" ");
        if (["ellipse", "line"].includes(what)) set("line_color", who);
        if (what === "area") glyph.fill_color = palette[who];
        if (what === "rings") set("line_color", "ink");
        if (what === "keys") set("text_color", who === "halo" ? "ground" : "ink");
        if (name === "keys halo") set("text_outline_color", "ground");
        if (what === "numbers") set("text_color", "ink");
        if (what === "stem" || what === "dots") set("line_color", who === "decides" ? "after" : "before");
        if (what === "dots") set("fill_color", who === "shown" ? "ground" : who === "decides" ? "after" : "before");
      }
    }
  }
  function repaint() { ground(); points(); legend(); badges(); }

  // ---- choosing a cluster

  const groupAt = (place) => data.groups.find((group) => group.place === place);
  const plural = (n, word) => `${n.toLocaleString("en").replaceAll(",", "\u202f")} ${word}${n === 1 ? "" : "s"}`;

  function choose(place) {
    state.chosen = place;
    for (const button of document.querySelectorAll(".choose")) button.setAttribute("aria-pressed", String(Number(button.dataset.place) === place));
    $("find").value = "";
    points();
    list();
  }
  function list() {
    const group = groupAt(state.chosen), sought = $("find").value.trim().toLowerCase();
    for (const id of ["rows-bar", "rows-wide"]) $(id).hidden = !group;
    $("rows-title").textContent = group ? `Rows of ${group.key ? `${group.key}, ` : ""}${group.name}` : "Rows of a cluster";
    state.found = [];
    $("rows").replaceChildren();
    if (!group) { $("rows-text").textContent = "None is chosen."; $("more").hidden = true; return; }
    const counts = [0, 0];
    for (const at of [1, 0]) {
      const side = figures.sides[at];
      for (let i = 0; i < side.rows; i++) {
        if (side.clusters[i] !== group.place) continue;
        counts[at] += 1;
        if (!sought || side.texts[i].toLowerCase().includes(sought) || side.ids[i].toLowerCase().includes(sought)) state.found.push([side, i]);
      }
    }
    const told = [`${plural(counts[0], "row")} of ${data.sides[0].label} and ${plural(counts[1], "row")} of ${data.sides[1].label} on the map.`];
    if (group.rates.length) told.push(`${group.rates.join("; ")}.`);
    if (sought) told.push(`${plural(state.found.length, "row")} found.`);
    $("rows-text").textContent = told.join(" ");
    state.listed = 0;
    more();
  }
  function facts(side, i) {
    return data.outcomes.map(({ name }, k) => `${name}: ${side.outcomes[k][i] === side.outcomes[k][i] ? Number(side.outcomes[k][i].toPrecision(3)) : "n/a"}`).join("; ");
  }
  function more() {
    const next = state.found.slice(state.listed, state.listed + PAGE);
    for (const [side, i] of next) {
      const row = element("tr"), cells = [side.label, side.ids[i], side.texts[i] || "no text"];
      if (data.outcomes.length) cells.push(facts(side, i));
      cells.forEach((text, at) => {
        const cell = element("td");
        cell.className = ["side", "id", "text", ""][at];
        cell.append(element("bdi", text));
        row.append(cell);
      });
      $("rows").append(row);
    }
    state.listed += next.length;
    const left = state.found.length - state.listed;
    $("more").hidden = left <= 0;
    $("more").textContent = `show more rows (${plural(left, "row")} left)`;
  }

  // ---- the map's own controls

  function zoom(factor) {
    for (const range of [figures.map.x_range, figures.map.y_range]) {
      const middle = (range.start + range.end) / 2, half = ((range.end - range.start) / 2) * factor;
      range.setv({ start: middle - half, end: middle + half });
    }
  }
  function whole() {
    figures.map.x_range.setv({ start: data.span[0][0], end: data.span[0][1] });
    figures.map.y_range.setv({ start: data.span[1][0], end: data.span[1][1] });
  }
  function wire() {
    $("colour").addEventListener("change", (event) => { state.colour = event.target.value; points(); legend(); });
    for (const name of ["before", "after"]) {
      $(`show-${name}`).addEventListener("change", (event) => { figures.renderers[name].visible = event.target.checked; });
    }
    $("show-marks").addEventListener("change", (event) => {
      for (const each of [...figures.map.renderers, ...figures.map.center]) {
        if (/^(ellipse|mean|rings|keys)/.test(each.name ?? "")) each.visible = event.target.checked;
      }
    });
    $("zoom-in").addEventListener("click", () => zoom(0.7));
    $("zoom-out").addEventListener("click", () => zoom(1 / 0.7));
    $("zoom-reset").addEventListener("click", whole);
    $("find").addEventListener("input", list);
    $("clear").addEventListener("click", () => choose(-1));
    $("more").addEventListener("click", more);
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen >= 0) choose(-1); });
    for (const button of document.querySelectorAll(".choose")) {
      button.addEventListener("click", () => { const place = Number(button.dataset.place); choose(place === state.chosen ? -1 : place); });
    }
    for (const side of figures.sides) {
      const source = figures.renderers[side.name].data_source;
      source.selected.properties.indices.change.connect(() => {
        const hit = source.selected.indices.at(-1);
        if (hit === undefined) return;
        source.selected.indices = [];
        choose(side.clusters[hit]);
      });
    }
    dark.addEventListener("change", repaint);
    addEventListener("beforeprint", copies);
  }

  // Paper gets a copy of each canvas that shrinks with it; a dark one is turned light.
  function copies() {
    for (const name of ["map", "pc1", "scores"]) {
      const holder = $(name), still = holder.querySelector("canvas.still") ?? holder.appendChild(element("canvas"));
      const layers = canvases(holder).filter((canvas) => canvas !== still && canvas.width && canvas.height);
      if (!layers.length) continue;
      still.className = "still";
      [still.width, still.height] = [layers[0].width, layers[0].height];
      const pen = still.getContext("2d");
      if (dark.matches) pen.filter = "invert(1) hue-rotate(180deg)";
      for (const layer of layers) pen.drawImage(layer, 0, 0);
      holder.classList.add("copied");
    }
  }
  function canvases(root) {
    const own = [...root.querySelectorAll("*")];
    return own.flatMap((each) => [...(each.localName === "canvas" ? [each] : []), ...(each.shadowRoot ? canvases(each.shadowRoot) : [])]);
  }

  async function start() {
    const library = element("script");
    library.textContent = new TextDecoder().decode(await inflate($("library").textContent));
    document.head.append(library);
    Bokeh.logger.set_level("error");
    figures.sides = [await decode(data.sides[0], "before"), await decode(data.sides[1], "after")];
    for (const name of ["map", "pc1", "scores"]) {
      const item = data.figures[name];
      await Bokeh.embed.embed_item(item, name);
      figures[name] = Bokeh.documents.at(-1).roots()[0];
    }
    if (NARROW) {
      figures.map.height = 400;
      const range = figures.scores.x_range;
      range.end += 0.25 * (range.end - range.start); // room for the numbers beside the points
    }
    // A finger that drags across the map wants to scroll the page.
    if (matchMedia("(pointer: coarse)").matches) figures.map.toolbar.active_drag = null;
    figures.renderers = Object.fromEntries(figures.map.renderers.map((each) => [each.name, each]));
    const names = [];
    for (const group of data.groups) if (group.place >= 0) names[group.place] = group.key ? `${group.key}, ${group.name}` : group.name;
    for (const side of figures.sides) {
      figures.renderers[side.name].data_source.data = {
        x: side.x, y: side.y, colour: [], alpha: [], size: [], id: side.ids, text: side.texts,
        side: Array(side.rows).fill(side.label),
        cluster: Array.from(side.clusters, (place) => names[place]),
        facts: Array.from({ length: side.rows }, (_, i) => facts(side, i)),
      };
    }
    repaint();
    wire();
    document.documentElement.dataset.ready = "yes";
  }

  start().catch((error) => {
    const old = typeof DecompressionStream === "undefined";
    $("trouble").textContent = old
      ? "This browser is too old to unpack the map (it has no DecompressionStream). Everything else on this page is here; report.html has still pictures."
      : `The map could not be drawn: ${error.message}. Everything else on this page is here; report.html has still pictures.`;
    $("trouble").hidden = false;
    document.documentElement.dataset.ready = "failed";
    if (!old) throw error;
  });
})();
