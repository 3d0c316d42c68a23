// Keeps the page's facts and the line about the last save up to date. The page works without it.
"use strict";
(() => {
  const path = document.body.dataset.live;
  const result = document.getElementById("result");
  if (result) {
    // A reload shows the screen again instead of sending the form again.
    history.replaceState(null, "");
  }
  if (!path || !window.EventSource) {
    return;
  }
  const stream = new EventSource(path);

  stream.addEventListener("facts", (event) => {
    const facts = JSON.parse(event.data);
    for (const node of document.querySelectorAll("[data-fact]")) {
      const text = facts[node.dataset.fact];
      if (text !== undefined) {
        node.textContent = text;
        if (node.dataset.state !== undefined) {
          node.dataset.state = text;
        }
      }
    }
  });

  stream.addEventListener("saved", (event) => {
    const saved = JSON.parse(event.data);
    const line = document.getElementById("saved");
    if (line && line.dataset.revision === String(saved.revision)) {
      line.dataset.progress = saved.progress;
      line.textContent = saved.text;
    }
  });

  stream.addEventListener("end", () => {
    stream.close();
    const banner = document.getElementById("ended");
    if (banner) {
      banner.textContent = "You have been logged out.";
      banner.hidden = false;
    }
  });

  window.addEventListener("pagehide", () => stream.close());
})();
