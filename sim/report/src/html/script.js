// Steps through a run: slider, buttons, keys. Without it the page shows the step that it opens at: where the law broke.
(() => {
  "use strict";
  // What is wider than its place says so.
  const hint = () => {
    for (const it of document.querySelectorAll(".scroll")) {
      it.classList.toggle("more", it.scrollWidth > it.clientWidth + 1);
    }
  };
  window.addEventListener("resize", hint);
  hint();
  // On a page of findings: shows those that hold every word that was typed.
  const filter = document.getElementById("filter");
  if (filter) {
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of document.querySelectorAll(".group")) {
        const head = group.querySelector("h2").textContent;
        let shown = 0;
        for (const card of group.querySelectorAll(".card")) {
          const text = (head + card.textContent).toLowerCase();
          card.hidden = !words.every((word) => text.includes(word));
          shown += card.hidden ? 0 : 1;
        }
        group.hidden = shown === 0;
      }
    });
  }
  const slider = document.getElementById("step");
  if (!slider) return;
  const items = [...document.querySelectorAll("ol.steps > li")];
  const shots = new Map([...document.querySelectorAll("template.shot")].map((it) => [it.dataset.shot, it]));
  const panes = { before: document.getElementById("before"), after: document.getElementById("after") };
  const where = document.getElementById("where");
  const opens = Number(slider.dataset.opens);

  const fill = (pane, shot, other) => {
    const template = shots.get(shot);
    pane.replaceChildren(template ? template.content.cloneNode(true) : "nothing yet");
    if (!other || shot === other) return;
    // What is not as it was is marked.
    const old = shots.get(other);
    for (const index of pane.querySelectorAll("[data-index]")) {
      const twin = old && old.content.querySelector(`[data-index="${index.dataset.index}"]`);
      const head = index.querySelector("h4, b");
      if (twin && head && twin.outerHTML !== index.outerHTML) head.classList.add("changed");
    }
  };

  const show = (place) => {
    const at = Math.min(Math.max(place, 0), items.length - 1);
    items.forEach((item, n) => item.classList.toggle("now", n === at));
    const { before, after, step } = items[at].dataset;
    fill(panes.before, before, null);
    fill(panes.after, after, before);
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `step ${step}`);
    where.textContent = `step ${step} of ${slider.dataset.total}`;
    hint();
  };
  const now = () => Number(slider.value);

  slider.addEventListener("input", () => show(now()));
  const moves = {
    first: () => 0, back: () => now() - 1, on: () => now() + 1, last: () => items.length - 1, breaks: () => opens,
  };
  for (const button of document.querySelectorAll("button[data-move]")) {
    button.addEventListener("click", () => show(moves[button.dataset.move]()));
  }
  for (const button of document.querySelectorAll("button[data-goto]")) {
    button.addEventListener("click", () => {
      const place = items.findIndex((item) => item.dataset.step === button.dataset.goto);
      if (place < 0) return;
      show(place);
      document.getElementById("steps").scrollIntoView({ block: "start" });
      slider.focus({ preventScroll: true });
    });
  }
  const keys = {
    ArrowLeft: "back", ArrowRight: "on", h: "back", l: "on", Home: "first", End: "last", b: "breaks",
  };
  document.addEventListener("keydown", (event) => {
    const own = event.target === slider;
    const move = keys[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || (own && event.key !== "b" && event.key.length > 1)) return;
    event.preventDefault();
    show(moves[move]());
  });
  show(opens);
})();
