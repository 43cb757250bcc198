(() => {
  const canvas = document.querySelector(".canvas");
  if (!canvas) return;
  const svg = canvas.querySelector("svg"), tip = canvas.querySelector(".tip");
  const box = svg.viewBox.baseVal;
  const points = [...svg.querySelectorAll("path")].map((path) => {
    const [, x, y] = path.getAttribute("d").match(/M([\d.]+) ([\d.]+)/);
    const title = path.querySelector("title");
    title.remove();
    return { path, x: +x / box.width, y: +y / box.height, text: title.textContent };
  });
  let shown = null;
  const show = (point, at) => {
    if (shown) shown.path.classList.remove("on");
    shown = point;
    tip.hidden = !point;
    if (!point) return;
    point.path.classList.add("on");
    tip.textContent = point.text;
    const left = Math.min(Math.max(0, point.x * at.width - tip.offsetWidth / 2), at.width - tip.offsetWidth);
    const above = point.y * at.height - tip.offsetHeight - 12;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${above > -40 ? above : point.y * at.height + 14}px`;
  };
  const find = (event) => {
    const at = svg.getBoundingClientRect();
    let best = null, least = 24 ** 2;
    for (const point of points) {
      const away = (point.x * at.width + at.left - event.clientX) ** 2 + (point.y * at.height + at.top - event.clientY) ** 2;
      if (away < least) [best, least] = [point, away];
    }
    show(best, at);
  };
  canvas.addEventListener("pointermove", find);
  canvas.addEventListener("pointerdown", find);
  canvas.addEventListener("pointerleave", () => show(null));
})();
