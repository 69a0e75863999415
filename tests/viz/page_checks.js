// What is wrong with how a page looks, found in its own boxes: for test_page_browser.py.

const rect = (element) => element.getBoundingClientRect();

function within(a, b) {
  return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
}

function apart(a, b) {
  return a.right <= b.left + 0.5 || b.right <= a.left + 0.5 || a.bottom <= b.top + 0.5 || b.bottom <= a.top + 0.5;
}

/** Texts that leave their box or lie on others, and boxes that leave their part or lie on others. */
function overlapsOfBoxes() {
  const found = [];
  for (const node of drawn.filter((node) => node.parent)) {
    const frame = rect(node.head.querySelector("rect"));
    const texts = [...node.head.querySelectorAll("text")].filter((text) => text.textContent);
    texts.forEach((text, i) => {
      if (!within(rect(text), frame)) found.push(`"${text.textContent}" leaves its box`);
      for (const other of texts.slice(0, i)) {
        const alike = Math.abs(rect(text).top - rect(other).top) < 8; // the boxes of two lines touch, their letters do not
        if (alike && !apart(rect(text), rect(other))) found.push(`"${text.textContent}" on "${other.textContent}"`);
      }
    });
    if (node.parent.parent && !within(frame, rect(node.parent.head.querySelector("rect")))) found.push(`${node.label} leaves`);
    for (const other of node.parent.children) {
      if (other.index >= node.index || !other.element?.isConnected) continue;
      if (!apart(frame, rect(other.head.querySelector("rect")))) found.push(`${node.label} on ${other.label}`);
    }
  }
  return found;
}

/** Controls that leave the window or lie on others. */
function overlapsOfControls() {
  const all = [...document.querySelectorAll("h1, button, input, output, #legend li")];
  const controls = all.filter((control) => control.offsetParent && rect(control).width);
  const found = document.documentElement.scrollWidth > innerWidth ? ["the page is wider than the window"] : [];
  controls.forEach((a, i) => {
    if (rect(a).right > innerWidth + 0.5) found.push(`${a.outerHTML} leaves the window`);
    for (const b of controls.slice(0, i)) if (!apart(rect(a), rect(b))) found.push(`${a.outerHTML} on ${b.outerHTML}`);
  });
  return found;
}

/** The contrast of each text with its box, as WCAG 2 defines it. */
function contrasts() {
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of drawn.filter((node) => node.parent && !node.open && node.kind !== "entry")) {
    const fill = luminance(getComputedStyle(node.head.querySelector("rect")).fill);
    for (const text of node.head.querySelectorAll("text")) {
      const letters = luminance(getComputedStyle(text).fill);
      found.push((Math.max(fill, letters) + 0.05) / (Math.min(fill, letters) + 0.05));
    }
  }
  return found;
}
